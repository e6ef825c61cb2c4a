/** Checks that the machine has memory for the arena. Pages of a tmpfs count for the process that touched them first. */
import { roundBytes } from '../../../figures/units.js';
import { cgroupFile } from '../cgroup.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { memoryNeeds, missingBytes } from '../needs.js';
import type { System } from '../system.js';

const found = new Findings('memory', 'memory');
const BYTES_PER_KB = 1024;
/** Version 1 of cgroups expresses "no limit" as a number larger than any machine. */
const CGROUP_NO_LIMIT = 2 ** 60;

export function checkMemory(examination: Examination): Finding[] {
  const { system } = examination;
  const availableBytes = meminfo(system, 'MemAvailable');
  if (availableBytes === undefined) return [found.note('the available memory cannot be read')];
  const missing = missingBytes(memoryNeeds(examination));
  const findings: Finding[] = [];
  const limit = cgroupLimit(system);
  if (limit !== undefined && limit < missing) {
    findings.push(
      found.problem(
        `the cgroup is limited to ${roundBytes(limit)}, and arena and staging memory need ${roundBytes(missing)}; the kernel will kill the agent`,
        'raise the memory limit of the container, or lower --arena-pages',
      ),
    );
  }
  if (availableBytes < missing) {
    findings.push(
      found.problem(
        `${roundBytes(availableBytes)} of memory are available; arena and staging memory need ${roundBytes(missing)}`,
        'lower --arena-pages, or give the machine more memory',
      ),
    );
  }
  if (findings.length > 0) return findings;
  const limited = limit === undefined ? '' : `, and the cgroup is limited to ${roundBytes(limit)}`;
  return [found.ok(`${roundBytes(availableBytes)} of memory are available${limited}`)];
}

/** The value of a name in /proc/meminfo, in bytes. */
export function meminfo(system: System, name: string): number | undefined {
  const line = system
    .read('/proc/meminfo')
    ?.split('\n')
    .find((each) => each.startsWith(`${name}:`));
  const [, amount, unit] = /:\s*(\d+)(?: (kB))?/.exec(line ?? '') ?? [];
  return amount === undefined ? undefined : Number(amount) * (unit === undefined ? 1 : BYTES_PER_KB);
}

function cgroupLimit(system: System): number | undefined {
  const text = cgroupFile(system, { unified: 'memory.max', controller: 'memory', name: 'memory.limit_in_bytes' });
  const bytes = Number(text);
  return text === undefined || Number.isNaN(bytes) || bytes > CGROUP_NO_LIMIT ? undefined : bytes;
}
