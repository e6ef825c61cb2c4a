/** The processors for the event loop and the threads that move bytes. */
import { counted } from '../../../figures/units.js';
import { cgroupFile } from '../cgroup.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import type { System } from '../system.js';

const found = new Findings('machine', 'processors');
/** One each for the event loop, a fabric thread, a copy thread and the engine. Fabric threads spin only with this many. */
const PROCESSORS_WANTED = 4;
const PROCESSORS_NEEDED = 2;

export function checkProcessors({ system }: Examination): Finding[] {
  const quota = quotaOf(system);
  const usable = Math.min(system.processorsUsable, quota ?? Number.POSITIVE_INFINITY);
  const text =
    `${counted(system.processors, 'processor')}, ${system.processorsUsable} usable` +
    (quota === undefined ? '' : `, time for ${Number(quota.toFixed(1))} (cgroup)`);
  if (usable < PROCESSORS_NEEDED) {
    return [
      found.warning(
        `${text}; the copy thread starves the event loop, heartbeats come late, and peers declare the agent dead`,
        `give the agent at least ${PROCESSORS_NEEDED} (docker run --cpus, Kubernetes: resources.limits.cpu, taskset)`,
      ),
    ];
  }
  if (usable < PROCESSORS_WANTED) {
    return [found.note(`${text}; with ${PROCESSORS_WANTED}, threads that move bytes do not wait for each other`)];
  }
  return [found.ok(text)];
}

/** The CPU quota of the cgroup, in processors. */
function quotaOf(system: System): number | undefined {
  const file = (unified: string, name: string) => cgroupFile(system, { unified, controller: 'cpu', name });
  // Version 2: `150000 100000` or `max 100000`.
  const [first, second] = (file('cpu.max', 'cpu.cfs_quota_us') ?? '').split(' ');
  const quotaUs = Number(first);
  const periodUs = Number(second ?? file('cpu.max', 'cpu.cfs_period_us'));
  return quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : undefined;
}
