/** What all parts of one agent share: its options, its epoch, its ports, and the parts that observe it. */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort } from '../../ports/control.js';
import type { FabricPort } from '../../ports/fabric.js';
import type { Failure } from '../../protocol/fields.js';
import type { Counters } from '../observing/counters.js';
import type { Journal } from '../observing/journal.js';
import type { ObservedActors } from '../observing/observed-actors.js';
import type { Tracer } from '../observing/tracer.js';
import type { Supervisor } from '../running/supervisor.js';
import type { AgentOptions } from './agent-options.js';
import type { Presence } from './presence.js';

export interface AgentEnv {
  readonly options: AgentOptions;
  /** Epoch of this process: 16 hexadecimal digits, new at every start. */
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

export function failureOf(code: Failure['code'], message: string): Failure {
  return { code, message };
}
