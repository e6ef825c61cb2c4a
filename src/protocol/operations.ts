/** Messages that engines and routers send to an agent, and its answers (docs/reference/protocol.md). */
import { z } from 'zod';
import { naturals } from './columns.js';
import {
  agentName,
  agentState,
  anyRequest,
  anySegment,
  arena,
  batch,
  describedText,
  deviceMemory,
  end,
  endpoints,
  epoch,
  failure,
  generations,
  holderName,
  keys,
  keysUpTo,
  pageCounts,
  pages,
  ranks,
  requestId,
  role,
  segmentName,
  sessionId,
  sourceRun,
  timeoutMs,
  totalChunks,
  unavailable,
  version,
} from './fields.js';
import {
  ACQUIRE_KEYS_MAX,
  HEARTBEAT_MS_MAX,
  HEARTBEAT_MS_MIN,
  KEYS_PER_BATCH_MAX,
  PATH_BYTES_MAX,
  STAGING_PAGES_PER_CALL_MAX,
  STATUS_ROWS_MAX,
} from './limits.js';
import { lookupSchemas } from './lookup.js';
import { observationSchemas } from './observation.js';
import { routingSchemas } from './routing.js';
import { rows } from './rows.js';
import { orderFields, sessionSchemas } from './session-operations.js';
import { peerRow, requestRow, segmentRow, sessionRow } from './status-rows.js';
import type { Operation } from './subjects.js';

const natural = z.int().min(0);

export const putRequest = z.strictObject({
  v: version,
  request: requestId,
  receiver: agentName
    .optional()
    .describe(
      'The decode agent that receives the bytes. Without it the chunks are offered: a router names it with `route`.',
    ),
  batch,
  last: z.boolean().describe('Whether this is the last batch of the request.'),
  totalChunks,
  timeoutMs: timeoutMs.describe(
    'Time limit for the whole request, taken from its first batch; ignored in later ones. `route` may bring another one.',
  ),
  keys: keys.describe('Names of the chunks, in the order of the prompt. A key may occur only once in a request.'),
  source: rows(sourceRun, KEYS_PER_BATCH_MAX).describe(
    'Places of the chunks in source memory, in the order of `keys`.',
  ),
  ranks: ranks
    .optional()
    .describe(
      'Only for a request over several ranks, and only with `receiver`. It is ready when all ranks are; if one rank fails, all fail.',
    ),
  ...orderFields,
});
export type PutRequest = z.infer<typeof putRequest>;

const putReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  epoch: epoch.describe('Epoch of the prefill agent. Together with `request` it identifies the request.'),
});

const cancelRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch: epoch
    .optional()
    .describe(
      'Epoch of the prefill agent. Needed only at a decode agent, when the same request id was used more than once.',
    ),
  ...orderFields,
});
const cancelReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  end: end.optional().describe('Present when the request had already ended: the recorded end, which stays.'),
});

const acquireRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe('The epoch from the terminal event. A stand-alone reader chooses any 16 hex digits.'),
  keys: keysUpTo(ACQUIRE_KEYS_MAX).optional().describe('Keys to look up. Default: all keys of the request.'),
  from: natural.default(0).describe('Number of keys to skip: of `keys` or, without them, of the request.'),
});
const acquireReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  arena: arena.describe('The memory that holds the pages.'),
  leaseMs: natural.describe(
    'The leases expire after this time, unless they are renewed by another `acquire` or released.',
  ),
  keys: keys.describe('Keys that were found. The next three lists have one entry for each of them.'),
  pages,
  generations,
  lengths: naturals().describe('Size of each chunk in bytes.'),
  missing: keysUpTo().describe(
    'Keys that are not in the arena, or not ready yet. The engine must compute these chunks itself.',
  ),
  next: natural
    .optional()
    .describe('Present when there are more keys than fit one answer: send `acquire` again with this value as `from`.'),
});

const releaseRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  keys: keys.optional().describe('Keys whose leases end. Default: all leases of the request.'),
});
const releaseReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  existed: natural.describe(
    'With `keys`: how many of them are in the arena, whether or not this request leased them. Without: how many leases ended.',
  ),
  freedPages: natural.describe('Pages whose last lease ended. They can be used for other chunks.'),
});

const describeRequest = z.strictObject({ v: version });
export const describeReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: agentState,
  version: describedText.describe('Version of the agent program.'),
  heartbeatMs: z.int().min(HEARTBEAT_MS_MIN).max(HEARTBEAT_MS_MAX).describe('Heartbeat interval in milliseconds.'),
  faultsAllowed: z
    .literal(true)
    .optional()
    .describe('Present when the agent accepts `fault`: any client may kill, stop or disconnect it.'),
  endpoints,
  unavailable,
  arena: arena.optional().describe('Present if the agent receives.'),
  staging: z
    .strictObject({
      segment: segmentName,
      path: z.string().describe('File that an engine on the same host maps to fill staging pages.'),
      pageBytes: natural.describe('Size of a staging page in bytes.'),
      pages: natural.describe('Number of staging pages, lent or not.'),
    })
    .optional()
    .describe('Present if the agent lends staging pages.'),
});
export type DescribeReply = z.infer<typeof describeReply>;

export const statusLists = ['segments', 'sessions', 'peers', 'requests'] as const;
const statusRequest = z.strictObject({
  v: version,
  request: anyRequest.optional().describe('Lists only this request.'),
  segment: anySegment.optional().describe('Lists only this segment.'),
  lists: z
    .array(z.enum(statusLists))
    .max(statusLists.length)
    .optional()
    .describe('Lists to return. The others are empty, and their totals are there all the same. Default: all.'),
  limit: natural
    .max(STATUS_ROWS_MAX)
    .default(STATUS_ROWS_MAX)
    .describe('Maximum number of rows in each list. The answer has fewer if they do not fit a message.'),
});
const statusReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: z.string().describe('State of the agent, as in `describe`.'),
  uptimeMs: natural.describe('Time since the process started.'),
  pages: pageCounts.optional().describe('Pages of the arena, by state. Present if the agent receives.'),
  quarantineAgeMs: natural
    .optional()
    .describe('Time since the oldest quarantined page was quarantined. 0 if there is none.'),
  queued: natural.describe('Number of requests that wait for pages.'),
  staging: z
    .strictObject({
      total: natural.describe('All staging pages.'),
      free: natural.describe('Pages that are not lent.'),
      lent: natural.describe('Pages lent to an engine that fills them.'),
      inUse: natural.describe('Pages named in a put whose bytes are still needed.'),
    })
    .optional()
    .describe('Present if the agent lends staging pages.'),
  segments: z.array(segmentRow).describe('Attached source segments.'),
  segmentsTotal: natural.describe('Number of attached segments, including those that are not listed.'),
  sessions: z
    .array(sessionRow)
    .max(STATUS_ROWS_MAX)
    .describe('Sessions of engines, those that were silent longest first.'),
  sessionsTotal: natural.describe('Number of open sessions, including those that are not listed.'),
  peers: z.array(peerRow).describe('Agents that this one sends to or receives from.'),
  peersTotal: natural.describe('Number of these agents, including those that are not listed.'),
  requests: z
    .array(requestRow)
    .describe('Requests in progress. If `request` is named and has ended, its row has `end`.'),
  requestsTotal: natural.describe('Number of matching requests, including those that are not listed.'),
  counters: z.record(z.string(), natural).describe('Named counters. They start at 0 with the process and only grow.'),
});
export type StatusReply = z.infer<typeof statusReply>;

const attachRequest = z.strictObject({
  v: version,
  segment: segmentName,
  path: z
    .string()
    .min(1)
    .max(PATH_BYTES_MAX)
    .regex(/^\/[^\p{Cc}]*$/u, 'an absolute path without control characters')
    .optional()
    .describe('Absolute path of the file, for example in /dev/shm. Needed, unless there is `cuda`.'),
  cuda: deviceMemory
    .optional()
    .describe('Memory of a CUDA device, in the place of a file. Only decode agents on the same host can read it.'),
  ...orderFields,
});
const attachReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  bytes: natural.describe('Size of the segment in bytes.'),
});

const detachRequest = z.strictObject({ v: version, segment: segmentName, ...orderFields });
const detachReply = z.strictObject({ v: version, ok: z.literal(true) });

const stageRequest = z.strictObject({
  v: version,
  holder: holderName,
  pages: z
    .int()
    .min(1)
    .max(STAGING_PAGES_PER_CALL_MAX)
    .describe('Number of pages. The agent lends all of them or none.'),
  ...orderFields,
});
const stageReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  segment: segmentName.describe('Name to use in `put.source`.'),
  path: z.string().describe('File that the engine maps and fills.'),
  pageBytes: natural.describe('Size of a staging page in bytes.'),
  offsets: naturals().describe('Offset of each lent page in the file, in bytes.'),
});

const unstageRequest = z.strictObject({
  v: version,
  holder: holderName,
  offsets: naturals(STAGING_PAGES_PER_CALL_MAX)
    .optional()
    .describe('Offsets of the pages to give back. Default: all pages lent to this holder.'),
  ...orderFields,
});
const unstageReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  returned: natural.describe('Number of pages given back.'),
});

export const errorReply = z.strictObject({
  v: version,
  ok: z.literal(false),
  error: failure
    .extend({
      end: end.optional().describe('Present with `request_ended`: the recorded end.'),
      epoch: epoch
        .optional()
        .describe(
          'Present when a `put` is refused with `duplicate_batch` or `request_ended`: epoch of the prefill agent.',
        ),
      receiver: agentName.optional().describe('Present with `already_routed`: the receiver of the request.'),
      order: natural.optional().describe('Present with `order_out_of_turn`: the number that the agent expects.'),
      session: sessionId
        .optional()
        .describe(
          'Present with `segment_exists` and `wrong_session` when another session holds the segment or the request.',
        ),
    })
    .describe('Why the message was refused.'),
});
export type ErrorReply = z.infer<typeof errorReply>;

/** Request and reply of every public operation. */
export const operationSchemas = {
  put: { request: putRequest, reply: putReply },
  ...routingSchemas,
  cancel: { request: cancelRequest, reply: cancelReply },
  acquire: { request: acquireRequest, reply: acquireReply },
  release: { request: releaseRequest, reply: releaseReply },
  ...lookupSchemas,
  status: { request: statusRequest, reply: statusReply },
  describe: { request: describeRequest, reply: describeReply },
  attach: { request: attachRequest, reply: attachReply },
  detach: { request: detachRequest, reply: detachReply },
  stage: { request: stageRequest, reply: stageReply },
  unstage: { request: unstageRequest, reply: unstageReply },
  ...sessionSchemas,
  ...observationSchemas,
} as const satisfies Record<Operation, { request: z.ZodType; reply: z.ZodType }>;

export type OperationRequest<O extends Operation> = z.infer<(typeof operationSchemas)[O]['request']>;
export type OperationReply<O extends Operation> = z.infer<(typeof operationSchemas)[O]['reply']>;
