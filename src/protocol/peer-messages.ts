/**
 * Messages between agents. `epoch` is always the epoch of the prefill agent. The epoch of the addressee is in the subject.
 * Every message can be repeated without harm: (epoch, request, batch) identifies it.
 */
import { z } from 'zod';
import {
  agentName,
  batch,
  end,
  epoch,
  failure,
  generations,
  keys,
  lengths,
  pages,
  positions,
  provider,
  ranks,
  requestId,
  role,
  timeoutMs,
  totalChunks,
  version,
} from './fields.js';
import { PARTS_PER_BATCH_MAX } from './limits.js';
import type { PeerOperation } from './subjects.js';

const natural = z.int().min(0);
const grantId = z
  .string()
  .min(1)
  .max(64)
  .describe('Remote key: the right to write into the arena until the decode agent revokes it.');
const ok = z.strictObject({ v: version, ok: z.literal(true) });

/** Prefill → decode: requests a remote key for a new connection. The key of the previous connection is revoked first. */
const connectRequest = z.strictObject({
  v: version,
  agent: agentName,
  epoch,
  heartbeatMs: natural.describe('Heartbeat interval of the prefill agent, in milliseconds.'),
  provider: provider.describe('Provider that the prefill agent chose among those that the decode agent offers.'),
  connection: natural.describe(
    'Number of the connection. The prefill agent counts its attempts to connect, including those that fail.',
  ),
});
const connectReply = ok.extend({
  grant: z
    .strictObject({
      id: grantId,
      provider,
      token: z.string().describe('Secret that the fabric sends with every write. Never logged.'),
      arenaBytes: natural.describe('Size of the arena in bytes.'),
    })
    .describe('The remote key.'),
});

/** Prefill → decode: requests pages for a batch. Answered when the request is admitted. */
const allocateRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  grant: grantId,
  batch,
  last: z.boolean().describe('Whether this is the last batch of the request.'),
  totalChunks,
  timeoutMs,
  keys: keys.describe('Names of the chunks, in the order of the prompt.'),
  lengths: lengths.describe('Lengths of the chunks, in the order of `keys`.'),
  ranks: ranks.optional().describe('Ranks of the request, as in the put.'),
});
export type AllocateRequest = z.infer<typeof allocateRequest>;
const allocateReply = ok.extend({
  pages: pages.describe('One page for every key that must be written, in the order of `keys`.'),
  generations,
  alreadySent: positions.describe(
    'Positions of keys that must not be written: they are ready, or another request is writing them.',
  ),
  joined: positions.describe('The positions in `alreadySent` whose chunks another request is still writing.'),
});
export type AllocateReply = z.infer<typeof allocateReply>;

const part = natural.max(PARTS_PER_BATCH_MAX);

/** Prefill → decode: the bytes of these pages are delivered. */
const commitRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  batch,
  part: part.describe('0 for the pages of the allocation, otherwise the number of the hand-over.'),
  pages: pages.describe('Pages that were written, in the order of the allocation or hand-over.'),
  generations,
  lengths: lengths.describe('Number of bytes written to each page.'),
});

/** Prefill → decode: gives a request up. Answered with the recorded end, which may be an earlier one. */
const abortRequest = z.strictObject({
  v: version,
  agent: agentName.describe('Name of the prefill agent. The decode agent may not know the request.'),
  request: requestId,
  epoch,
  totalChunks,
  end: z.enum(['failed', 'cancelled', 'expired']).describe('End to record, unless the request has already ended.'),
  reason: failure.describe('Why the prefill agent gives the request up.'),
  ranks: ranks.optional().describe('Ranks of the request, as in the put.'),
});
const abortReply = ok.extend({
  reason: failure.optional().describe('Present unless `end` is `ready`.'),
  end: end.describe('The recorded end.'),
});

/** Prefill → decode: no write of this request can land any more. */
const drainedRequest = z.strictObject({ v: version, request: requestId, epoch });

/** Prefill → decode: asks how a request ended. */
const inquireRequest = z.strictObject({ v: version, request: requestId, epoch });
const inquireReply = ok.extend({
  end: end.optional().describe('The recorded end. Absent while the request is in progress.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/**
 * Decode → prefill: the writer of these joined chunks failed, so this request must write them. The prefill agent answers
 * `stale_grant` if it has a newer remote key. The decode agent then repeats the message with that key.
 */
const handoverRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  batch,
  part: part.min(1).describe('Number of this hand-over within the batch, from 1.'),
  grant: grantId.describe('Remote key for the write.'),
  positions: positions.describe('Positions of the chunks in the batch. The request had joined all of them.'),
  pages: pages.describe('One page for each position, in the same order.'),
  generations,
});

/**
 * Agent of one rank → decode agent of rank 0, the lead: the progress of this rank. Sent at every change, and repeated
 * until the answer has the end of the whole request.
 */
const reportRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe('Epoch of the prefill agent of this rank.'),
  ranks,
  from: z
    .strictObject({ agent: agentName, epoch })
    .optional()
    .describe(
      'Decode agent of this rank, to which the lead sends the end. Absent when that agent is lost and the prefill agent reports.',
    ),
  state: z
    .enum(['running', 'complete', 'failed', 'cancelled', 'expired'])
    .describe(
      'State of the rank. `complete`: all bytes are there, and the lead decides the end. `failed`, `cancelled`, `expired`: the end that the rank asks for.',
    ),
  reason: failure.optional().describe('Present if `state` is `failed`, `cancelled` or `expired`.'),
  chunks: natural.describe('Number of chunks of this rank so far.'),
  deduplicated: natural.describe('Number of those chunks that were not written for this request.'),
  joined: natural.describe('Number of the `deduplicated` chunks that another request was writing.'),
  bytes: natural.describe('Bytes written for this rank.'),
  timeoutMs: timeoutMs.describe('Time left for this rank, in milliseconds from the arrival of the message.'),
});
export type RankReport = z.infer<typeof reportRequest>;
const reportReply = ok.extend({
  end: end.optional().describe('End of the whole request. Absent while it is in progress.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/** Decode agent of rank 0 → decode agent of another rank: the whole request has ended. */
const verdictRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe('Epoch of the prefill agent of that rank.'),
  end: end.describe('End of the whole request.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/** Decode → prefill, after an absence: has the prefill agent announced an end of this request? */
const confirmRequest = z.strictObject({ v: version, request: requestId, epoch });
const confirmReply = ok.extend({
  end: end.optional().describe('End that the prefill agent announced or is announcing. Absent if there is none.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/** Decode → prefill, no answer: every joined chunk of this batch is ready. */
const joinedNotice = z.strictObject({ v: version, request: requestId, epoch, batch });

/** Decode → prefill, no answer: the request has ended and its end is announced. */
const endedNotice = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  end,
  reason: failure.optional().describe('Present unless `end` is `ready`.'),
});

export const peerSchemas = {
  connect: { request: connectRequest, reply: connectReply },
  allocate: { request: allocateRequest, reply: allocateReply },
  commit: { request: commitRequest, reply: ok },
  abort: { request: abortRequest, reply: abortReply },
  drained: { request: drainedRequest, reply: ok },
  inquire: { request: inquireRequest, reply: inquireReply },
  handover: { request: handoverRequest, reply: ok },
  confirm: { request: confirmRequest, reply: confirmReply },
  report: { request: reportRequest, reply: reportReply },
  verdict: { request: verdictRequest, reply: ok },
  joined: { request: joinedNotice, reply: ok },
  ended: { request: endedNotice, reply: ok },
} as const satisfies Record<PeerOperation, { request: z.ZodType; reply: z.ZodType }>;

export type PeerRequest<O extends PeerOperation> = z.infer<(typeof peerSchemas)[O]['request']>;
export type PeerReply<O extends PeerOperation> = z.infer<(typeof peerSchemas)[O]['reply']>;

/** Published by every agent every `heartbeatMs`. In the last one, which a stopping agent publishes, `leaving` is true. */
export const heartbeat = z.strictObject({
  v: version,
  agent: agentName,
  epoch,
  role,
  heartbeatMs: natural.describe('Time until the next heartbeat, in milliseconds.'),
  leaving: z.boolean().describe('Whether the agent is stopping and this is its last heartbeat.'),
});
export type Heartbeat = z.infer<typeof heartbeat>;
