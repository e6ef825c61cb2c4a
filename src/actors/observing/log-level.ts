/**
 * The level at which an agent logs a refusal or the end of a request. A warning asks an operator to look. What clients and
 * agents cause while all is well is routine. Every refusal and every end is counted, whatever its level.
 */
import type { ErrorCode } from '../../protocol/errors.js';
import type { End } from '../../protocol/subjects.js';

export type LogLevel = 'debug' | 'info' | 'warn';

/** Every refusal that is routine. All others are warnings. */
const routineRefusals: Partial<Record<ErrorCode, LogLevel>> = {
  // Messages that come late or again: after the end, after a lost answer, after a restart.
  unknown_request: 'debug',
  request_ended: 'debug',
  request_active: 'debug',
  duplicate_batch: 'debug',
  segment_exists: 'debug',
  // A sender connects again, and then repeats its message.
  stale_grant: 'debug',
  // An operator stops the agent.
  agent_draining: 'info',
};

export function refusalLevel(code: ErrorCode): LogLevel {
  return routineRefusals[code] ?? 'warn';
}

/** A request that a router or an engine cancelled is no fault of the cluster. */
export function endLevel(end: End, reason: ErrorCode | undefined): LogLevel {
  if (end === 'ready') return 'debug';
  return reason === 'cancelled_by_caller' ? 'info' : 'warn';
}
