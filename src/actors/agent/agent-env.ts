/** What every actor of one agent shares: the agent's identity and options, its ports, and its records. */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';
import type { FabricPort } from '../../ports/fabric.js';
import type { Failure } from '../../protocol/fields.js';
import { Counters } from '../observing/counters.js';
import { Journal } from '../observing/journal.js';
import { LiveActors } from '../observing/live-actors.js';
import type { Tracer } from '../observing/tracer.js';
import { Presence } from '../peers/presence.js';
import { Supervisor } from '../running/supervisor.js';
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
  readonly actors: LiveActors;
  readonly tracer: Tracer | undefined;
}

/** Makes the shared parts. `fence` ends an agent that cannot be trusted with memory any more. */
export function makeEnv(
  ports: Pick<AgentEnv, 'control' | 'fabric' | 'clock' | 'logger'> & Partial<Pick<AgentEnv, 'tracer'>>,
  options: AgentOptions,
  epoch: string,
  fence: (failure: Failure) => void,
): AgentEnv {
  const { control, fabric, clock, tracer } = ports;
  const logger = ports.logger.child({ agent: options.agent, epoch });
  const counters = new Counters();
  const journal = new Journal(clock, options.journalEntries);
  if (tracer !== undefined) journal.onEvent((event) => tracer.happened(event));
  return {
    options,
    epoch,
    control,
    fabric,
    clock,
    logger,
    counters,
    presence: new Presence(clock, control, options.heartbeatMs),
    supervisor: new Supervisor({ clock, counters, logger }, fence),
    journal,
    actors: new LiveActors(clock, journal),
    tracer,
  };
}

/** Resolves after `delayMs` on the agent's clock. */
export function sleep(clock: ClockPort, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, delayMs));
}

/** Resolves when `work` does, or after `timeoutMs`; late work goes on, and nothing waits for it. */
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
