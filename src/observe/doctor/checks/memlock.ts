/** Checks the limit of locked memory. A device registers memory, and registered memory must be locked. */
import { roundBytes } from '../../../figures/units.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { limitOf } from '../limits.js';
import { memoryNeeds } from '../needs.js';

const found = new Findings('memory', 'memlock');
/** `CAP_IPC_LOCK`: a process with it may lock memory without limit. */
const IPC_LOCK_BIT = 14n;

export function checkMemlock(examination: Examination): Finding[] {
  const { system, settings, fabric } = examination;
  const limit = limitOf(system, 'Max locked memory');
  if (limit === undefined) return [found.note('the limit of locked memory cannot be read')];
  const shown = limit === Number.POSITIVE_INFINITY ? 'unlimited' : roundBytes(limit);
  const isUnlimited = limit === Number.POSITIVE_INFINITY || mayLockAll(system.read('/proc/self/status') ?? '');
  if (isUnlimited) return [found.ok('locked memory is not limited')];
  if (!settings.provider.includes('verbs') || !fabric.providers.includes('verbs')) {
    return [found.ok(`the limit of locked memory is ${shown}; only RDMA devices (verbs) need more`)];
  }
  const { arenaBytes, stagingBytes } = memoryNeeds(examination);
  const remedy =
    'raise it: LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), memlock in /etc/security/limits.conf';
  if (limit < arenaBytes + stagingBytes) {
    return [
      found.problem(
        `the limit of locked memory is ${shown}; verbs registers ${roundBytes(arenaBytes + stagingBytes)} of arena and staging memory`,
        remedy,
      ),
    ];
  }
  return [found.warning(`the limit of locked memory is ${shown}; the memory that engines attach counts too`, remedy)];
}

function mayLockAll(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> IPC_LOCK_BIT) & 1n) === 1n;
}
