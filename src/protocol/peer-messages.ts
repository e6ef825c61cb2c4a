/**
 * What agents say to each other. `epoch` is always the sender's (the prefill agent's); the receiver's epoch is in the
 * subject. Every message can be repeated without harm: (epoch, request, batch) is its identity.
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
  lengthRun,
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
import { KEYS_PER_BATCH_MAX, PARTS_PER_BATCH_MAX } from './limits.js';
import type { PeerOperation } from './subjects.js';

const natural = z.int().min(0);
const grantId = z.string().min(1).max(64).describe('A remote key: the right to write into the arena, until revoked.');
const lengths = z.array(lengthRun).max(KEYS_PER_BATCH_MAX);
const ok = z.strictObject({ v: version, ok: z.literal(true) });

/** prefill → decode: a remote key for a new connection, please. The key of the connection before is revoked first. */
const connectRequest = z.strictObject({
  v: version,
  agent: agentName,
  epoch,
  heartbeatMs: natural.describe('How often the sender says that it lives.'),
  provider: provider.describe('The way the sender has chosen, of those the receiver offers.'),
  connection: natural.describe(
    'Number of the connection: the sender counts those it opens, whether they come about or not.',
  ),
});
const connectReply = ok.extend({
  grant: z
    .strictObject({
      id: grantId,
      provider,
      token: z.string().describe('Secret that the fabric presents with every write. Never logged.'),
      arenaBytes: natural.describe('Size of the arena.'),
    })
    .describe('The right to write into the arena.'),
});

/** prefill → decode: pages for a batch. Answered when the request is admitted. */
const allocateRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  grant: grantId,
  batch,
  last: z.boolean().describe('No further batch follows.'),
  totalChunks,
  timeoutMs,
  keys,
  lengths: lengths.describe('Lengths of the chunks, in the order of `keys`.'),
  ranks: ranks.optional().describe('As in the put.'),
});
export type AllocateRequest = z.infer<typeof allocateRequest>;
const allocateReply = ok.extend({
  pages: pages.describe('A page for every new key, in the order of the request.'),
  generations,
  alreadySent: positions.describe('Keys that are here or on their way: nothing to write.'),
  joined: positions.describe('Of those, the ones another request is still writing.'),
});
export type AllocateReply = z.infer<typeof allocateReply>;

const part = natural.max(PARTS_PER_BATCH_MAX);

/** prefill → decode: the bytes of these pages have been delivered. */
const commitRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  batch,
  part: part.describe('0: the pages of the allocation. Others: those of the hand-over with that number.'),
  pages: pages.describe('As they were allocated.'),
  generations,
  lengths: lengths.describe('Bytes that were written to each page.'),
});

/** prefill → decode: give this request up. Answered with the recorded end, which may be an earlier one. */
const abortRequest = z.strictObject({
  v: version,
  agent: agentName.describe("The sender's name: the request may be unknown to the receiver."),
  request: requestId,
  epoch,
  totalChunks,
  end: z.enum(['failed', 'cancelled', 'expired']).describe('What shall be recorded, unless it has ended already.'),
  reason: failure.describe('Why it is given up.'),
  ranks: ranks.optional().describe('As in the put.'),
});
const abortReply = ok.extend({
  reason: failure.optional().describe('Why, unless it is ready.'),
  end: end.describe('The recorded end.'),
});

/** prefill → decode: no write of this request can land any more. */
const drainedRequest = z.strictObject({ v: version, request: requestId, epoch });

/** prefill → decode: how did it end? */
const inquireRequest = z.strictObject({ v: version, request: requestId, epoch });
const inquireReply = ok.extend({
  end: end.optional().describe('The recorded end; without it, it has not ended.'),
  reason: failure.optional().describe('Always set with an end other than ready.'),
});

/**
 * decode → prefill: whoever was writing these joined chunks is gone; this request shall write them. Refused with
 * `stale_grant` when the sender has another remote key by now: then it is asked again under that one.
 */
const handoverRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  batch,
  part: part.min(1).describe('Number of this hand-over within the batch.'),
  grant: grantId.describe('The remote key under which it shall write.'),
  positions: positions.describe('Chunks of the batch, all of them joined before.'),
  pages: pages.describe('A page for each of them, in that order.'),
  generations,
});

/**
 * Agent of one rank → decode agent of rank 0, which leads: how this rank is doing. Said when that changes, and again and
 * again until the answer has the end of the whole request.
 */
const reportRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe("The epoch of this rank's sender."),
  ranks,
  from: z
    .strictObject({ agent: agentName, epoch })
    .optional()
    .describe(
      "This rank's receiver, which shall be told the end. Without it, its sender reports, since that one is gone.",
    ),
  state: z
    .enum(['running', 'complete', 'failed', 'cancelled', 'expired'])
    .describe(
      '`complete`: every byte is here, and it will only end as the lead says. The last three: so it wants to end.',
    ),
  reason: failure.optional().describe('Always set with the last three.'),
  chunks: natural.describe('Chunks of this rank so far.'),
  deduplicated: natural.describe('Of those, chunks that needed no write.'),
  joined: natural.describe('Of those, chunks that another request was writing.'),
  bytes: natural.describe('Bytes written for this rank.'),
  timeoutMs: timeoutMs.describe("What is left of the rank's time, in milliseconds from the arrival."),
});
export type RankReport = z.infer<typeof reportRequest>;
const reportReply = ok.extend({
  end: end.optional().describe('The end of the whole request; without it, it has not ended.'),
  reason: failure.optional().describe('Always set with an end other than ready.'),
});

/** decode agent of rank 0 → receiver of another rank: the whole request has ended. */
const verdictRequest = z.strictObject({
  v: version,
  request: requestId,
  epoch: epoch.describe("The epoch of that rank's sender."),
  end: end.describe('How the whole request ended.'),
  reason: failure.optional().describe('Always set with an end other than ready.'),
});

/** decode → prefill: I was away; have you announced the end of this request? */
const confirmRequest = z.strictObject({ v: version, request: requestId, epoch });
const confirmReply = ok.extend({
  end: end.optional().describe('The end that the prefill agent announces; without it, none.'),
  reason: failure.optional().describe('Always set with an end other than ready.'),
});

/** decode → prefill, unanswered: every joined chunk of this batch is ready. */
const joinedNotice = z.strictObject({ v: version, request: requestId, epoch, batch });

/** decode → prefill, unanswered: the request has ended and was announced. */
const endedNotice = z.strictObject({
  v: version,
  request: requestId,
  epoch,
  end,
  reason: failure.optional().describe('Always set unless `end` is ready.'),
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

/** Published by every agent each `heartbeatMs`; the last one, when it stops, says `leaving`. */
export const heartbeat = z.strictObject({
  v: version,
  agent: agentName,
  epoch,
  role,
  heartbeatMs: natural.describe('When the next one is due.'),
  leaving: z.boolean().describe('This is the last one: it stops.'),
});
export type Heartbeat = z.infer<typeof heartbeat>;
