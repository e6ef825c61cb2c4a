/**
 * Serves fault orders. It uses its own control port, because a fault can cut the agent's port, and because the agent
 * and its recording must see only the effects of a fault.
 */
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlMessage, ControlPort, ControlSubscription } from '../../ports/control.js';
import { decode, encodeError } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { type FaultReply, faultRequest } from '../../protocol/faults.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { subjects } from '../../protocol/subjects.js';
import type { Faults, StruckFault } from './faults.js';

/** Longest time that a fault waits until its answer is sent. */
const ANSWER_TIMEOUT_MS = 1000;

export interface FaultService {
  readonly control: ControlPort;
  readonly clock: ClockPort;
  readonly logger: Logger;
  readonly agent: string;
  readonly epoch: string;
  readonly faults: Pick<Faults, 'strike'>;
  /** Logs some of the orders that are refused, and not all of a flood. */
  readonly refusals: { log(nowMs: number, level: 'warn', fields: object, message: string): void };
}

export function serveFaults(service: FaultService): ControlSubscription {
  return service.control.subscribe(subjects.fault(service.agent), (message) => void obey(service, message));
}

async function obey(service: FaultService, message: ControlMessage): Promise<void> {
  const { agent, epoch } = service;
  let struck: StruckFault;
  try {
    struck = strike(service, message.body);
    const lasts = struck.forMs === undefined ? {} : { forMs: struck.forMs };
    const reply: FaultReply = { v: PROTOCOL_VERSION, ok: true, agent, epoch, ...lasts };
    message.respond(JSON.stringify(reply));
  } catch (error) {
    refuse(service, message, error);
    return;
  }
  if (struck.afterAnswer === undefined) return;
  await sent(service);
  struck.afterAnswer();
}

function strike({ faults, logger }: FaultService, body: string): StruckFault {
  const { fault, forMs } = decode(faultRequest, body);
  const struck = faults.strike({ fault, forMs });
  logger.warn({ fault, forMs: struck.forMs }, 'fault injected on request');
  return struck;
}

/** Resolves when NATS has the answer, or when it took too long: the fault happens in either case. */
async function sent({ control, clock, logger }: FaultService): Promise<void> {
  let timer: unknown;
  const late = new Promise<void>((resolve) => {
    timer = clock.setTimeout(resolve, ANSWER_TIMEOUT_MS);
  });
  const flushed = control
    .flush()
    .catch((err: unknown) => logger.warn({ err }, 'answer to a fault order may not have been sent'));
  await Promise.race([flushed, late]);
  clock.clearTimeout(timer);
}

function refuse({ clock, logger, refusals }: FaultService, message: ControlMessage, error: unknown): void {
  const refusal =
    error instanceof KvferryError
      ? error
      : new KvferryError('internal', 'injecting the fault failed', { cause: error });
  refusals.log(clock.now(), 'warn', { code: refusal.code, err: error }, 'fault order refused');
  try {
    message.respond(encodeError(refusal));
  } catch (err) {
    logger.warn({ err }, 'refusal of a fault order could not be sent');
  }
}
