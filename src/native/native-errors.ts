/** Turns the error codes of the addon into `KvferryError`. No other file of this folder does. */
import { type ErrorCode, errorCodes, KvferryError } from '../protocol/errors.js';

export function toKvferryError(code: string, message: string, cause?: unknown): KvferryError {
  const known = (errorCodes as readonly string[]).includes(code) ? (code as ErrorCode) : 'internal';
  return new KvferryError(known, message, { cause });
}

/** For what a promise of the addon rejects with. */
export function fromRejection(error: unknown): KvferryError {
  if (error instanceof KvferryError) return error;
  const { code = 'internal', message = String(error) } = error as { code?: string; message?: string };
  return toKvferryError(code, message, error);
}

/** Puts the name of the object that failed before the message. */
export function describedAs(object: string, error: unknown): KvferryError {
  const { code, message } = fromRejection(error);
  return toKvferryError(code, `${object}: ${message}`, error);
}
