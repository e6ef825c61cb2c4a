/** Typed errors of the connection to NATS. */
import { ClosedConnectionError, DrainingConnectionError, PermissionViolationError } from '@nats-io/transport-node';
import { KvferryError } from '../protocol/errors.js';

export function closed(cause?: unknown): KvferryError {
  return new KvferryError('closed', 'the connection to NATS is closed', { cause });
}

export function disconnected(): KvferryError {
  return new KvferryError('disconnected', 'NATS is disconnected');
}

export function unanswered(subject: string, timeoutMs: number): KvferryError {
  return new KvferryError('deadline_exceeded', `no answer from ${subject} within ${timeoutMs} ms`);
}

export function unsent(subject: string, cause: unknown): KvferryError {
  if (cause instanceof ClosedConnectionError || cause instanceof DrainingConnectionError) return closed(cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new KvferryError('disconnected', `request to ${subject} failed: ${reason}`, { cause });
}

/** `Subscriptions` reports it. */
export function isRefusedSubscription(error: Error): boolean {
  return error instanceof PermissionViolationError && error.operation === 'subscription';
}
