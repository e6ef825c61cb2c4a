/** Limits of this process. An agent started in the same way has the same limits. */
import type { System } from './system.js';

/** The soft limit of that name; infinity without a limit; undefined when it cannot be read. */
export function limitOf(system: System, name: string): number | undefined {
  const line = system
    .read('/proc/self/limits')
    ?.split('\n')
    .find((each) => each.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
