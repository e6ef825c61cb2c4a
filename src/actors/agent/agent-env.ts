/** What every actor of one agent shares: who the agent is, and the ports. */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';
import type { FabricPort } from '../../ports/fabric.js';
import type { Failure } from '../../protocol/fields.js';
import type { Counters } from '../observing/counters.js';
import type { Journal } from '../observing/journal.js';
import type { ObservedActors } from '../observing/observed-actors.js';
import type { Tracer } from '../observing/tracer.js';
import type { Presence } from '../peers/presence.js';
import type { Supervisor } from '../running/supervisor.js';
import type { AgentOptions } from './agent-options.js';

export interface AgentEnv {
  readonly options: AgentOptions;
  /** This process's epoch. */
  readonly epoch: string;
  readonly control: ControlPort;
  readonly fabric: FabricPort;
  readonly clock: ClockPort;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly presence: Presence;
  readonly supervisor: Supervisor;
  readonly journal: Journal;
  readonly actors: ObservedActors;
  readonly tracer: Tracer | undefined;
}

/** Resolves after `delayMs` on the agent's clock. */
export function sleep(clock: ClockPort, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, delayMs));
}

/** Resolves when `work` does, or after `timeoutMs`: then it goes on without us. */
export async function atMost(clock: ClockPort, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: unknown;
  const late = new Promise<void>((resolve) => {
    timer = clock.setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]);
  clock.clearTimeout(timer);
}

export function failureOf(code: Failure['code'], message: string): Failure {
  return { code, message };
}
