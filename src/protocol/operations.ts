/** What engines and routers say to an agent, and its answers (docs/protocol.md). */
import { z } from 'zod';
import {
  agentName,
  agentState,
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
  rank,
  ranks,
  requestId,
  role,
  segmentName,
  sourceRun,
  timeoutMs,
  totalChunks,
  version,
} from './fields.js';
import {
  ACQUIRE_KEYS_MAX,
  KEYS_PER_BATCH_MAX,
  PATH_BYTES_MAX,
  STAGING_PAGES_PER_CALL_MAX,
  STATUS_ROWS_MAX,
} from './limits.js';
import { observationSchemas } from './observation.js';
import type { Operation } from './subjects.js';

const natural = z.int().min(0);

export const putRequest = z.strictObject({
  v: version,
  request: requestId,
  receiver: agentName.describe('The decode agent that shall get the bytes.'),
  batch,
  last: z.boolean().describe('No further batch follows.'),
  totalChunks,
  timeoutMs: timeoutMs.describe('Time for the whole request. That of its first batch holds.'),
  keys: keys.describe('Names of the chunks, in the order of the prompt.'),
  source: z.array(sourceRun).max(KEYS_PER_BATCH_MAX).describe('Where the chunks lie, in the order of `keys`.'),
  ranks: ranks.optional().describe('Only of a request over several ranks: ready when all are, and one fails all.'),
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
  keys: z
    .array(key)
    .max(ACQUIRE_KEYS_MAX)
    .optional()
    .describe('Keys to look up. Default: those of the request, as many as one reply holds.'),
  from: natural.default(0).describe('Without `keys`: how many keys of the request to skip.'),
});
const acquireReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  arena: arena.describe('Where the pages lie.'),
  leaseMs: natural.describe('The leases end after this unless acquired again or released.'),
  keys: keys.describe('Keys that were found; the next three lists have an entry for each.'),
  pages,
  generations,
  lengths: z.array(natural).describe('Bytes of each chunk.'),
  missing: z.array(key).describe('Keys that are not here, or not ready: recompute them.'),
  next: natural.optional().describe('The request has more keys: acquire again with this as `from`.'),
});

const releaseRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  keys: keys.optional().describe('Default: every lease of the request.'),
});
const releaseReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  existed: natural.describe('Keys that were in the arena, of those named, or of all that it held.'),
  freedPages: natural.describe('Pages that have no lease left, and can be given to others.'),
});

const describeRequest = z.strictObject({ v: version });
export const describeReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: agentState,
  version: z.string().describe('Version of the program.'),
  heartbeatMs: natural.describe('How often it says that it lives.'),
  faultsAllowed: z.literal(true).optional().describe('Anybody may kill, stop or cut it off: see `fault`.'),
  endpoints: z.array(endpoint).describe('How the arena can be reached, best first. Empty without an arena.'),
  unavailable: z
    .array(z.strictObject({ provider, reason: z.string().describe('Why it cannot be had.') }))
    .describe('Ways that were asked for in the configuration and cannot be had.'),
  arena: arena.optional().describe('Only of agents that receive.'),
  staging: z
    .strictObject({
      segment: segmentName,
      path: z.string().describe('File that a local engine maps to fill staging pages.'),
      pageBytes: natural.describe('Bytes of a staging page.'),
      pages: natural.describe('All staging pages, lent or not.'),
    })
    .optional()
    .describe('Only of agents that lend staging pages.'),
});
export type DescribeReply = z.infer<typeof describeReply>;

const statusRequest = z.strictObject({
  v: version,
  request: requestId.optional().describe('Only this request.'),
  limit: natural.max(STATUS_ROWS_MAX).default(STATUS_ROWS_MAX).describe('Rows of `requests` at most.'),
});
const requestRow = z.strictObject({
  request: requestId,
  epoch: epoch.describe("The sender's epoch."),
  side: z.enum(['sender', 'receiver']).describe('Which side of the request this agent is.'),
  rank: rank.optional().describe('Which rank of the request, when it has several.'),
  missingRanks: z.array(rank).optional().describe('Ranks that are not complete: said by the agent that leads them.'),
  state: z.string().describe('State of its machine.'),
  ageMs: natural.describe('Time since this agent first heard of it; of an ended one, since its end.'),
  batches: natural.optional().describe('Batches so far. Left out when the request has ended.'),
  chunks: natural.optional().describe('Chunks of those batches. Left out when the request has ended.'),
  end: end.optional().describe('Set when it has ended.'),
  reason: failure.optional().describe('Set when it has ended and is not ready.'),
});
export type RequestRow = z.infer<typeof requestRow>;
const peerRow = z.strictObject({
  agent: agentName,
  epoch: epoch.describe('Epoch of that agent.'),
  side: z.enum(['sender', 'receiver']).describe('What that agent is to this one.'),
  state: z.string().describe('State of its machine: of its connection, and whether it lives; or `lost`.'),
  provider: provider.optional().describe('How bytes travel, once it is connected.'),
  detail: z.string().optional().describe('What that provider really is, for people.'),
  fallback: z.array(z.string()).describe('Providers that were preferred and why they were not taken.'),
});
export type PeerRow = z.infer<typeof peerRow>;
const segmentRow = z.strictObject({
  segment: segmentName,
  path: z.string().describe('Its file.'),
  bytes: natural.describe('Its size.'),
  chunksInUse: natural.describe('Chunks that are still to be read.'),
});
const statusReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: z.string().describe('As in `describe`.'),
  uptimeMs: natural.describe('Time since the process started.'),
  pages: pageCounts.optional().describe('Pages of the arena, by state. Only of agents that receive.'),
  quarantineAgeMs: natural.optional().describe('How long the oldest quarantined page has been so; 0 without any.'),
  queued: natural.describe('Requests that wait for pages.'),
  staging: z
    .strictObject({
      total: natural.describe('All staging pages.'),
      free: natural.describe('Not lent.'),
      lent: natural.describe('With an engine that fills them.'),
      inUse: natural.describe('Named in a put; their bytes are still needed.'),
    })
    .optional()
    .describe('Only of agents that lend staging pages.'),
  segments: z.array(segmentRow).describe('Attached source memory.'),
  peers: z.array(peerRow).describe('Agents that this one exchanges bytes with.'),
  requests: z.array(requestRow).describe('Requests in progress; of a named one that has ended, its end.'),
  requestsTotal: natural.describe('Requests known, before `limit`.'),
  counters: z.record(z.string(), natural).describe('Named counts since the process started. They only grow.'),
});
export type StatusReply = z.infer<typeof statusReply>;

const attachRequest = z.strictObject({
  v: version,
  segment: segmentName,
  path: z.string().min(1).max(PATH_BYTES_MAX).startsWith('/').describe('Absolute path of a file, e.g. in /dev/shm.'),
});
const attachReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  bytes: natural.describe('Size of the segment.'),
});

const detachRequest = z.strictObject({ v: version, segment: segmentName });
const detachReply = z.strictObject({ v: version, ok: z.literal(true) });

const stageRequest = z.strictObject({
  v: version,
  holder: holderName,
  pages: z.int().min(1).max(STAGING_PAGES_PER_CALL_MAX).describe('How many; all of them or none.'),
});
const stageReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  segment: segmentName.describe('To be named in `put.source`.'),
  path: z.string().describe('File to map and fill.'),
  pageBytes: natural.describe('Bytes of a staging page.'),
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
const unstageReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  returned: natural.describe('Pages given back.'),
});

export const errorReply = z.strictObject({
  v: version,
  ok: z.literal(false),
  error: failure
    .extend({ end: end.optional().describe('With `request_ended`: the recorded end.') })
    .describe('Why the message was refused.'),
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
  ...observationSchemas,
} as const satisfies Record<Operation, { request: z.ZodType; reply: z.ZodType }>;

export type OperationRequest<O extends Operation> = z.infer<(typeof operationSchemas)[O]['request']>;
export type OperationReply<O extends Operation> = z.infer<(typeof operationSchemas)[O]['reply']>;
