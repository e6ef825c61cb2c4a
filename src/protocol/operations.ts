/** What engines and routers say to an agent, and its answers (docs/protocol.md). */
import { z } from 'zod';
import {
  agentName,
  arena,
  batch,
  end,
  endpoint,
  epoch,
  failure,
  generations,
  holderName,
  key,
  keys,
  pageCounts,
  pages,
  provider,
  requestId,
  role,
  segmentName,
  sourceRun,
  timeoutMs,
  totalChunks,
  version,
} from './fields.js';
import { KEYS_PER_BATCH_MAX, PATH_BYTES_MAX, STAGING_PAGES_PER_CALL_MAX, STATUS_ROWS_MAX } from './limits.js';
import type { Operation } from './subjects.js';

const natural = z.int().min(0);

export const putRequest = z.strictObject({
  v: version,
  request: requestId,
  receiver: agentName.describe('The decode agent that shall get the bytes.'),
  batch,
  last: z.boolean().describe('No further batch follows.'),
  totalChunks,
  timeoutMs,
  keys,
  source: z.array(sourceRun).max(KEYS_PER_BATCH_MAX).describe('Where the chunks lie, in the order of `keys`.'),
});
export type PutRequest = z.infer<typeof putRequest>;

const putReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  epoch: epoch.describe('Epoch of the prefill agent; with `request` the identity of the request.'),
});

const cancelRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.optional().describe("The sender's epoch; only needed at a decode agent when request ids repeat."),
});
const cancelReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  end: end.optional().describe('Set when the request had already ended; the recorded end holds.'),
});

const acquireRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe('As in the terminal event; a reader of its own brings any epoch of its own.'),
  keys: keys.optional().describe('Default: every key of the request.'),
});
const acquireReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  arena,
  leaseMs: natural.describe('The leases end after this unless acquired again or released.'),
  keys,
  pages,
  generations,
  lengths: z.array(natural),
  missing: z.array(key).describe('Keys that are not here, or not ready: recompute them.'),
});
export type AcquireReply = z.infer<typeof acquireReply>;

const releaseRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  keys: keys.optional().describe('Default: every lease of the request.'),
});
const releaseReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  existed: natural.describe('Keys that existed, of those named.'),
  freedPages: natural.describe('Pages that became free, having no lease left.'),
});

const describeRequest = z.strictObject({ v: version });
export const describeReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: z.enum(['starting', 'running', 'draining', 'stopped']),
  version: z.string(),
  heartbeatMs: natural,
  endpoints: z.array(endpoint).describe('How the arena can be reached, best first. Empty without an arena.'),
  unavailable: z.array(z.strictObject({ provider, reason: z.string() })),
  arena: arena.optional(),
  staging: z.strictObject({ segment: segmentName, path: z.string(), pageBytes: natural, pages: natural }).optional(),
});
export type DescribeReply = z.infer<typeof describeReply>;

const statusRequest = z.strictObject({
  v: version,
  request: requestId.optional().describe('Only this request.'),
  limit: natural.max(STATUS_ROWS_MAX).default(STATUS_ROWS_MAX).describe('Rows of `requests` at most.'),
});
const requestRow = z.strictObject({
  request: requestId,
  epoch,
  side: z.enum(['sender', 'receiver']),
  state: z.string().describe('State of its machine.'),
  ageMs: natural,
  batches: natural,
  chunks: natural,
  end: end.optional(),
  reason: failure.optional(),
});
export type RequestRow = z.infer<typeof requestRow>;
const peerRow = z.strictObject({
  agent: agentName,
  epoch,
  side: z.enum(['sender', 'receiver']),
  state: z.string(),
  provider: provider.optional(),
  detail: z.string().optional(),
  fallback: z.array(z.string()).describe('Providers that were preferred and why they were not taken.'),
});
export type PeerRow = z.infer<typeof peerRow>;
const segmentRow = z.strictObject({ segment: segmentName, path: z.string(), bytes: natural, chunksInUse: natural });
const statusReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: z.string(),
  uptimeMs: natural,
  pages: pageCounts.optional(),
  queued: natural.describe('Requests that wait for pages.'),
  staging: z.strictObject({ total: natural, free: natural, lent: natural, inUse: natural }).optional(),
  segments: z.array(segmentRow),
  peers: z.array(peerRow),
  requests: z.array(requestRow),
  requestsTotal: natural.describe('Requests known, before `limit`.'),
  counters: z.record(z.string(), natural),
});
export type StatusReply = z.infer<typeof statusReply>;

const attachRequest = z.strictObject({
  v: version,
  segment: segmentName,
  path: z.string().min(1).max(PATH_BYTES_MAX).startsWith('/').describe('Absolute path of a file, e.g. in /dev/shm.'),
});
const attachReply = z.strictObject({ v: version, ok: z.literal(true), bytes: natural });

const detachRequest = z.strictObject({ v: version, segment: segmentName });
const detachReply = z.strictObject({ v: version, ok: z.literal(true) });

const stageRequest = z.strictObject({
  v: version,
  holder: holderName,
  pages: z.int().min(1).max(STAGING_PAGES_PER_CALL_MAX),
});
const stageReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  segment: segmentName.describe('To be named in `put.source`.'),
  path: z.string().describe('File to map and fill.'),
  pageBytes: natural,
  offsets: z.array(natural).describe('Where each lent page starts.'),
});

const unstageRequest = z.strictObject({
  v: version,
  holder: holderName,
  offsets: z
    .array(natural)
    .max(STAGING_PAGES_PER_CALL_MAX)
    .optional()
    .describe('Default: all that the holder was lent.'),
});
const unstageReply = z.strictObject({ v: version, ok: z.literal(true), returned: natural });

export const errorReply = z.strictObject({
  v: version,
  ok: z.literal(false),
  error: failure.extend({ end: end.optional().describe('With `request_ended`: the recorded end.') }),
});
export type ErrorReply = z.infer<typeof errorReply>;

/** Request and reply of every public operation. */
export const operationSchemas = {
  put: { request: putRequest, reply: putReply },
  cancel: { request: cancelRequest, reply: cancelReply },
  acquire: { request: acquireRequest, reply: acquireReply },
  release: { request: releaseRequest, reply: releaseReply },
  status: { request: statusRequest, reply: statusReply },
  describe: { request: describeRequest, reply: describeReply },
  attach: { request: attachRequest, reply: attachReply },
  detach: { request: detachRequest, reply: detachReply },
  stage: { request: stageRequest, reply: stageReply },
  unstage: { request: unstageRequest, reply: unstageReply },
} as const satisfies Record<Operation, { request: z.ZodType; reply: z.ZodType }>;

export type OperationRequest<O extends Operation> = z.infer<(typeof operationSchemas)[O]['request']>;
export type OperationReply<O extends Operation> = z.infer<(typeof operationSchemas)[O]['reply']>;
