/** `kvferry/protocol`: the messages as schemas, types and subjects, for programs that bring their own NATS client. */
export type { Body } from './body.js';
export { decode, decodeReply, ReplyError } from './codec.js';
export { type ErrorCode, errorCodes, isKvferryError, KvferryError } from './errors.js';
export {
  type AuditEvent,
  auditEvent,
  type SourceReleasedEvent,
  sourceReleasedEvent,
  type TerminalEvent,
  terminalEvent,
} from './events.js';
export type { Failure, PageCounts, Ranks, Role, SourceRun } from './fields.js';
export type { MessageHeaders } from './headers.js';
export {
  ACQUIRE_KEYS_MAX,
  BATCHES_PER_REQUEST_MAX,
  CHUNKS_PER_REQUEST_MAX,
  KEY_BYTES_MAX,
  KEYS_PER_BATCH_MAX,
  MESSAGE_BYTES_MAX,
  PROTOCOL_VERSION,
  TIMEOUT_MS_MAX,
} from './limits.js';
export {
  type DescribeReply,
  type OperationReply,
  type OperationRequest,
  operationSchemas,
  type StatusReply,
} from './operations.js';
export { type Heartbeat, heartbeat } from './peer-messages.js';
export { type End, ends, type Operation, operationOf, operations, subjects } from './subjects.js';
