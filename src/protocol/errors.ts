/**
 * The only error class of kvferry. Callers decide by `code`. `message` names the object and, where there is one, the
 * remedy. `field` names the field of a message that caused the error. `cause` keeps the underlying error.
 * The codes are part of the protocol (docs/reference/protocol.md).
 */
export const errorCodes = [
  // the message itself
  'malformed_json',
  'message_too_large',
  'unsupported_version',
  'unknown_operation',
  'invalid_field',
  // requests
  'unknown_receiver',
  'unknown_request',
  'duplicate_batch',
  'batch_out_of_order',
  'request_active',
  'request_ended',
  'already_routed',
  'request_too_large',
  'role_mismatch',
  'too_many_requests',
  'quota_exceeded',
  'agent_draining',
  'agent_paused',
  'agent_fenced',
  'agent_id_taken',
  'faults_not_allowed',
  // sessions
  'unknown_session',
  'session_ended',
  'too_many_sessions',
  'order_out_of_turn',
  'order_barred',
  'order_reused',
  'order_forgotten',
  'too_many_orders',
  'wrong_session',
  // source memory
  'segment_not_found',
  'segment_exists',
  'segment_invalid',
  'segment_in_use',
  'too_many_segments',
  'staging_exhausted',
  'staging_not_lent',
  // between agents
  'not_yours',
  'stale_epoch',
  'stale_grant',
  'stale_handle',
  'inconsistent_reply',
  'length_mismatch',
  // peers and time
  'no_responders',
  'deadline_exceeded',
  'disconnected',
  'subscription_refused',
  'publication_refused',
  'receiver_lost',
  'sender_lost',
  'writer_failed',
  'cancelled_by_caller',
  // fabric
  'provider_unavailable',
  'connection_failed',
  'connection_lost',
  'write_rejected',
  'fabric_error',
  'arena_unavailable',
  // configuration and the process itself
  'invalid_configuration',
  'closed',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** What an error reply says for programs, beside its code. */
export interface ErrorDetails {
  /** `duplicate_batch` and `request_ended` of a put: epoch of the agent that has the request. */
  readonly epoch?: string;
  /** `order_out_of_turn`: the number that the agent expects next. */
  readonly order?: number;
  /** `segment_exists` and `wrong_session`: the session that holds the segment or the request. */
  readonly session?: string;
  /** `already_routed`: the receiver of the request. */
  readonly receiver?: string;
}

export class KvferryError extends Error {
  override readonly name = 'KvferryError';
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { field?: string; cause?: unknown; details?: ErrorDetails | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.details = options.details ?? {};
  }
}

/** Whether `error` is a `KvferryError`. If codes are given, its code must be one of them. */
export function isKvferryError(error: unknown, ...codes: ErrorCode[]): error is KvferryError {
  return error instanceof KvferryError && (codes.length === 0 || codes.includes(error.code));
}

/** The error for a message in which the agent cannot accept `field`. */
export function invalidField(field: string, message: string): KvferryError {
  return new KvferryError('invalid_field', message, { field });
}
