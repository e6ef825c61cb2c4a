/** Failures and answers, in the form in which agents send them. */
import { RequestEndedError } from '../../../src/protocol/codec.js';
import { KvferryError } from '../../../src/protocol/errors.js';
import type { Failure } from '../../../src/protocol/fields.js';
import type { End } from '../../../src/protocol/subjects.js';
import type { Answer } from './message.js';

export const broken: Failure = { code: 'connection_lost', message: 'the connection broke' };
export const lost: Failure = { code: 'receiver_lost', message: 'the receiver is gone' };
export const cancelled: Failure = { code: 'cancelled_by_caller', message: 'cancelled' };

/** The answer to a call that the receiver refused with this error. */
export function answerOf(error: Error): Answer {
  if (error instanceof RequestEndedError) return { code: 'request_ended', end: error.end };
  return { code: error instanceof KvferryError ? error.code : 'internal' };
}

export function failureOf({ code }: Answer): Failure | null {
  return code === 'ok' ? null : { code, message: code };
}

/** The reason of an end. */
export function reasonOf(end: End): Failure | null {
  return end === 'ready' ? null : cancelled;
}
