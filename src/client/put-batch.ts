/** Hands one batch to a prefill agent as an order of the engine's session. */
import type { ClockPort } from '../ports/clock.js';
import { isKvferryError } from '../protocol/errors.js';
import type { OperationReply } from '../protocol/operations.js';
import type { EngineSession, OrderOptions } from './engine-session.js';
import type { OperationInput } from './kvferry-client.js';
import type { Outcome } from './order-session.js';
import { pause } from './pause.js';

const PAUSE_MS = 50;

export interface PutTarget {
  readonly session: EngineSession;
  readonly clock: ClockPort;
  /** How long an agent may be away before a put is given up; 0: one attempt. Milliseconds. */
  readonly patienceMs: number;
}

/**
 * A receiver that does not answer may be restarting, and an agent that is cut off from NATS comes back: the batch is put again, as
 * another order, while patience lasts.
 */
export async function putBatch(
  { session, clock, patienceMs }: PutTarget,
  batch: OperationInput<'put'>,
  options: OrderOptions,
): Promise<Outcome<OperationReply<'put'>>> {
  const untilMs = clock.now() + patienceMs;
  for (;;) {
    const outcome = await session.order('put', batch, options);
    const isPassing =
      !outcome.executed &&
      outcome.doubt === undefined &&
      isKvferryError(outcome.error, 'unknown_receiver', 'disconnected');
    if (!isPassing || clock.now() >= untilMs) return outcome;
    await pause(clock, PAUSE_MS);
  }
}
