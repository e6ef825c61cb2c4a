/** What all parts of one agent share: its options, its epoch, its ports, and the parts that observe it. */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';
import type { SealedFabric } from '../../ports/sealed-fabric.js';
import type { Failure } from '../../protocol/fields.js';
import { Counters } from '../observing/counters.js';
import { Journal } from '../observing/journal.js';
import { ObservedActors } from '../observing/observed-actors.js';
import { RefusalLog } from '../observing/refusal-log.js';
import type { Tracer } from '../observing/tracer.js';
import { Supervisor } from '../running/supervisor.js';
import type { AgentOptions } from './agent-options.js';
import type { Living } from './living.js';
import { Turns } from './turns.js';

/** Everything but the judgement about who lives, which is made of these. */
export interface EnvParts {
  readonly options: AgentOptions;
  /** Epoch of this process: 16 hexadecimal digits, new at every start. */
  readonly epoch: string;
  readonly control: ControlPort;
  readonly fabric: SealedFabric;
  readonly clock: ClockPort;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly refusals: RefusalLog;
  readonly supervisor: Supervisor;
  readonly journal: Journal;
  readonly actors: ObservedActors;
  readonly tracer: Tracer | undefined;
  /** For work of many requests at once. */
  readonly turns: Turns;
}

export interface AgentEnv extends EnvParts {
  readonly living: Living;
}

/** Makes the parts. `fence` ends an agent that cannot be trusted with memory any more. */
export function makeEnv(
  ports: Pick<AgentEnv, 'control' | 'fabric' | 'clock' | 'logger'> & Partial<Pick<AgentEnv, 'tracer'>>,
  options: AgentOptions,
  epoch: string,
  fence: (failure: Failure) => void,
): EnvParts {
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
    refusals: new RefusalLog(logger),
    supervisor: new Supervisor({ clock, counters, logger }, fence),
    journal,
    actors: new ObservedActors(clock, journal),
    tracer,
    turns: new Turns(clock),
  };
}
