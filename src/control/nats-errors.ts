/** Typed errors of the connection to NATS. */
import { ClosedConnectionError, DrainingConnectionError, PermissionViolationError } from '@nats-io/transport-node';
import { KvferryError } from '../protocol/errors.js';
import { rolesThatPublish } from '../protocol/permissions.js';

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

export function publicationRefused(subject: string, cause: unknown): KvferryError {
  const roles = rolesThatPublish(subject);
  const remedy =
    roles.length === 0
      ? 'no role of kvferry keys has it'
      : `use credentials for this agent and tenant of a role that has it: ${roles.join(', ')} (kvferry keys issue)`;
  return new KvferryError(
    'publication_refused',
    `NATS refuses this user the right to publish to ${subject}: ${remedy}`,
    { cause },
  );
}

/** The subject of a message that NATS did not pass on, because the user has not the right. */
export function refusedPublication(error: Error): string | undefined {
  return error instanceof PermissionViolationError && error.operation === 'publish' ? error.subject : undefined;
}

/** `Subscriptions` reports it. */
export function isRefusedSubscription(error: Error): boolean {
  return error instanceof PermissionViolationError && error.operation === 'subscription';
}
