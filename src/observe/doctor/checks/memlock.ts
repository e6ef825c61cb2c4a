/**
 * Checks the limit of locked memory. A device registers memory, and registered memory must be locked: the arena, once for each
 * provider of devices, and for each receiver that this agent writes to the memory from which it writes.
 */
import { roundBytes } from '../../../figures/units.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { limitOf } from '../limits.js';
import { memoryNeeds } from '../needs.js';

const found = new Findings('memory', 'memlock');
/** The providers that register memory with a device. */
const DEVICES = ['verbs', 'efa'] as const;
/** A prefill agent that writes to fewer receivers at once may run out. */
const RECEIVERS_ENOUGH = 32;
const REMEDY =
  'raise it: LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), memlock in /etc/security/limits.conf';
/** `CAP_IPC_LOCK`: a process with it may lock memory without limit. */
const IPC_LOCK_BIT = 14n;

export function checkMemlock(examination: Examination): Finding[] {
  const { system, settings, fabric } = examination;
  const limit = limitOf(system, 'Max locked memory');
  if (limit === undefined) return [found.note('the limit of locked memory cannot be read')];
  const shown = limit === Number.POSITIVE_INFINITY ? 'unlimited' : roundBytes(limit);
  const isUnlimited = limit === Number.POSITIVE_INFINITY || mayLockAll(system.read('/proc/self/status') ?? '');
  if (isUnlimited) return [found.ok('locked memory is not limited')];
  const devices = DEVICES.filter((name) => settings.provider.includes(name) && fabric.providers.includes(name));
  if (devices.length === 0) {
    return [found.ok(`the limit of locked memory is ${shown}; only RDMA devices (${DEVICES.join(', ')}) need more`)];
  }
  return [devices.includes('efa') ? forEfa(examination, limit) : forVerbs(examination, limit)];
}

function forVerbs(examination: Examination, limit: number): Finding {
  const { arenaBytes } = memoryNeeds(examination);
  const { role, windowBytes, sliceBytes } = examination.settings;
  const writeBytes = role === 'decode' ? 0 : Math.max(windowBytes, sliceBytes);
  const text = `the limit of locked memory is ${roundBytes(limit)}; verbs registers ${needs(arenaBytes, writeBytes)}`;
  if (limit < arenaBytes + writeBytes) return found.problem(text, REMEDY);
  if (writeBytes === 0) return found.ok(text);
  const receivers = Math.floor((limit - arenaBytes) / writeBytes);
  const enough = `${text}: enough for ${receivers} receivers at once`;
  return receivers < RECEIVERS_ENOUGH ? found.warning(enough, REMEDY) : found.ok(enough);
}

function needs(arenaBytes: number, writeBytes: number): string {
  const arena = arenaBytes === 0 ? [] : [`${roundBytes(arenaBytes)} of arena`];
  const writes = writeBytes === 0 ? [] : [`${roundBytes(writeBytes)} for each receiver that it writes to`];
  return [...arena, ...writes].join(' and ');
}

/** EFA has no connections, so each sender has a key of its own, which registers the arena once more. */
function forEfa(examination: Examination, limit: number): Finding {
  const { arenaBytes } = memoryNeeds(examination);
  const senders = arenaBytes === 0 ? 0 : Math.floor(limit / arenaBytes);
  const text = `the limit of locked memory is ${roundBytes(limit)}; efa registers ${roundBytes(arenaBytes)} of arena for each sender`;
  if (arenaBytes === 0) return found.ok(text);
  const enough = `${text}: enough for ${senders} senders`;
  return senders === 0 ? found.problem(enough, REMEDY) : found.warning(enough, REMEDY);
}

function mayLockAll(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> IPC_LOCK_BIT) & 1n) === 1n;
}
