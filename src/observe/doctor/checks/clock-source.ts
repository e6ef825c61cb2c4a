/** How expensive it is to read the time. Agents read it for every message. A slow clock takes a microsecond and a lock. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('machine', 'clock-source');
const DIRECTORY = '/sys/devices/system/clocksource/clocksource0';
const SLOW = ['hpet', 'acpi_pm', 'pit', 'refined-jiffies', 'jiffies', 'xen'];

export function checkClockSource({ system }: Examination): Finding[] {
  const current = system.read(`${DIRECTORY}/current_clocksource`);
  if (current === undefined) return [found.note('the clock source cannot be read')];
  if (!SLOW.includes(current)) return [found.ok(`the clock source is ${current}; agents never compare their clocks`)];
  const others = (system.read(`${DIRECTORY}/available_clocksource`) ?? '')
    .split(/\s+/)
    .filter((name) => name !== '' && !SLOW.includes(name));
  const remedy =
    others.length > 0
      ? `choose ${others[0]} (echo ${others[0]} > ${DIRECTORY}/current_clocksource, and clocksource=${others[0]} at boot)`
      : 'the kernel found no faster clock; dmesg | grep -i clocksource gives the reason, often a firmware or hypervisor setting';
  return [found.warning(`the clock source is ${current}, which is slow to read`, remedy)];
}
