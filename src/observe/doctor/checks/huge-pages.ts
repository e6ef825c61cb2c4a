/**
 * Huge pages: whether the file system of the arena gives them on request, and the reserved ones. They are optional. Copies take
 * less processor time with them, and devices have fewer entries to keep.
 */
import { roundBytes } from '../../../figures/units.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import type { System } from '../system.js';
import { meminfo } from './memory.js';

const found = new Findings('memory', 'huge-pages');
const MOUNTS = '/proc/self/mounts';
/** Settings with which an arena gets huge pages, because it asks for them. */
const GIVING = ['always', 'within_size', 'advise'];

export function checkHugePages({ system, settings }: Examination): Finding[] {
  const { arenaDirectory } = settings;
  const setting = settingOf(system, arenaDirectory);
  const reserved = (meminfo(system, 'HugePages_Total') ?? 0) * (meminfo(system, 'Hugepagesize') ?? 0);
  const findings = [
    GIVING.includes(setting)
      ? found.ok(`${arenaDirectory} gives huge pages (huge=${setting})`)
      : found.note(
          `${arenaDirectory} gives no huge pages (huge=${setting}); with them copies take less processor time`,
          `mount -o remount,huge=advise ${arenaDirectory}`,
        ),
  ];
  if (reserved > 0) {
    findings.push(
      found.note(
        `${roundBytes(reserved)} are reserved as huge pages; arenas are in a tmpfs and do not use them`,
        'reserve fewer (sysctl vm.nr_hugepages) if no other program on this machine needs them',
      ),
    );
  }
  return findings;
}

/** The option of the mount that has the directory. The kernel does not show the default. */
function settingOf(system: System, directory: string): string {
  const mounts = (system.read(MOUNTS) ?? '').split('\n').map((line) => line.split(' '));
  const above = mounts.filter(([, point = '']) => `${directory}/`.startsWith(point === '/' ? '/' : `${point}/`));
  const [, , , options = ''] = above.sort(([, a = ''], [, b = '']) => a.length - b.length).at(-1) ?? [];
  return /(?:^|,)huge=(\w+)/.exec(options)?.[1] ?? 'never';
}
