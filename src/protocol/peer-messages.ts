/**
 * Messages between agents. `epoch` is always the epoch of the prefill agent. The subject names the agent that sends the message
 * (P31), and the name and the epoch of the addressee. Every message can be repeated without harm: (epoch, request, batch) identifies it.
 */
import { z } from 'zod';
import {
  agentName,
  alone,
  anyRequest,
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
  role,
  timeoutMs,
  totalChunks,
  version,
} from './fields.js';
import {
  BATCHES_PER_REQUEST_MAX,
  HEARTBEAT_MS_MAX,
  HEARTBEAT_MS_MIN,
  PARTS_PER_BATCH_MAX,
  RANKS_MAX,
} from './limits.js';
import type { PeerOperation } from './subjects.js';

const natural = z.int().min(0);
const grantId = z
  .string()
  .min(1)
  .max(64)
  .describe('Remote key: the right to write into the arena until the decode agent revokes it.');
const heartbeatMs = z.int().min(HEARTBEAT_MS_MIN).max(HEARTBEAT_MS_MAX);
/** An X25519 key: 32 bytes. */
const publicKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes in base64url');
/** Longer than the sealed token of any provider. */
const SEALED_LENGTH_MAX = 4096;
const ok = z.strictObject({ v: version, ok: z.literal(true) });
const completedEnd = end.optional().describe('The recorded end. Present if this message has completed the request.');

/** Agent → agent: asks whether this process lives. Any answer shows that it does. */
const pingRequest = z.strictObject({ v: version });

/** New process → draining process of the same name: asks it to serve the name no longer. */
const yieldRequest = z.strictObject({ v: version, epoch: epoch.describe('Epoch of the new process.') });
const yieldReply = ok.extend({
  yielded: z
    .boolean()
    .describe(
      'Whether it has unsubscribed from the name. False while it runs, or while engines still read or release its pages.',
    ),
});

/**
 * Prefill → decode: requests a remote key for a new connection. The key of the previous connection is revoked first. From the
 * first one on, the epoch belongs to the agent that the subject names: messages of that epoch from other agents are refused.
 */
const connectRequest = z.strictObject({
  v: version,
  epoch,
  heartbeatMs: heartbeatMs.describe('Heartbeat interval of the prefill agent, in milliseconds.'),
  provider: provider.describe('Provider that the prefill agent chose among those that the decode agent offers.'),
  connection: natural.describe(
    'Number of the connection. The prefill agent counts its attempts to connect, including those that fail.',
  ),
  publicKey: publicKey.describe(
    'X25519 key of the prefill process, in base64url: the remote key is sealed for it. An epoch has one, from its first connection on.',
  ),
});
const connectReply = ok.extend({
  grant: z
    .strictObject({
      id: grantId,
      provider,
      sealed: z
        .string()
        .max(SEALED_LENGTH_MAX)
        .describe('The secret of the remote key, which only the prefill process can open (decision 036).'),
      arenaBytes: natural.describe('Size of the arena in bytes.'),
    })
    .describe('The remote key.'),
});

/**
 * Prefill → decode: requests pages for a batch. Answered at once. A batch that waits for pages gets `allocated` later. A repeated
 * message gets the same pages, under the remote key that it names if theirs was revoked before they were committed.
 */
const allocateRequest = z.strictObject({
  v: version,
  request: anyRequest,
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
const allocation = z.strictObject({
  grant: grantId.describe('Remote key under which the pages are written, and under no other.'),
  pages: pages.describe('One page for every key that must be written, in the order of `keys`.'),
  generations,
  alreadySent: positions.describe(
    'Positions of keys that must not be written: they are ready, or another request is writing them.',
  ),
  joined: positions.describe('The positions in `alreadySent` whose chunks another request is still writing.'),
});
const allocateReply = ok.extend({
  allocation: allocation.optional().describe('What to write, and where. Absent while the batch waits for pages.'),
  end: completedEnd,
});
export type AllocateReply = z.infer<typeof allocateReply>;

const part = natural.max(PARTS_PER_BATCH_MAX);

/** Prefill → decode: the bytes of these pages are delivered. */
const commitRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch,
  batch,
  part: part.describe('0 for the pages of the allocation, otherwise the number of the hand-over.'),
  pages: pages.describe('Pages that were written, in the order of the allocation or hand-over.'),
  generations,
  lengths: lengths.describe('Number of bytes written to each page.'),
});

const commitReply = ok.extend({ end: completedEnd });

/** Prefill → decode: gives a request up. Answered with the recorded end, which may be an earlier one. */
const abortRequest = z.strictObject({
  v: version,
  request: anyRequest,
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
const drainedRequest = z.strictObject({ v: version, request: anyRequest, epoch });

/** Prefill → decode: asks how a request ended, and what became of batches that wait. Replaces a notice that was lost. */
const inquireRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch,
  batches: z.array(batch).max(BATCHES_PER_REQUEST_MAX).optional().describe('Batches that the question is about.'),
});
const inquireReply = ok.extend({
  end: end.optional().describe('The recorded end. Absent while the request is in progress.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
  batches: z
    .array(
      z.strictObject({
        batch,
        state: z
          .enum(['unknown', 'queued', 'allocated'])
          .describe('`queued`: the batch waits for pages. `allocated`: a repeated `allocate` gets the allocation.'),
        joinsPending: natural.optional().describe('Number of joined chunks of the batch that are not ready, if known.'),
      }),
    )
    .max(BATCHES_PER_REQUEST_MAX)
    .optional()
    .describe('The batches of the question, in their order. Absent when the request has ended.'),
});

/**
 * Decode → prefill: the writer of these joined chunks failed, so this request must write them. The prefill agent answers when
 * the write begins, or `stale_grant` if it has a newer remote key by then. The decode agent then hands the chunks over again, for
 * that key. A repeated message gets the same answer, also after the transfer has ended, until the prefill agent has forgotten the
 * request.
 */
const handoverRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch,
  batch,
  part: part.min(1).describe('Number of this hand-over within the batch, from 1.'),
  grant: grantId.describe('Remote key for the write.'),
  positions: positions.describe('Positions of the chunks in the batch. The request had joined all of them.'),
  pages: pages.describe('One page for each position, in the same order.'),
  generations,
});

const handoverReply = ok.extend({
  state: z
    .enum(['taken', 'written', 'failed'])
    .describe('`taken`: the prefill agent writes the chunks. `written`: they are delivered. `failed`: they are not.'),
  drained: z.boolean().optional().describe('Present if `state` is `failed`: whether no byte can land any more.'),
});

/**
 * Agent of one rank → decode agent of rank 0, the lead: the progress of this rank. Sent at every change, and repeated
 * until the answer has the end of the whole request.
 */
const reportRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch: epoch.describe('Epoch of the prefill agent of this rank.'),
  ranks,
  from: z
    .strictObject({ agent: agentName, epoch })
    .optional()
    .describe(
      'Decode agent of this rank, to which the lead sends the end. Absent when that agent is lost and the prefill agent reports.',
    ),
  state: z
    .enum(['held', 'running', 'complete', 'failed', 'cancelled', 'expired'])
    .describe(
      'State of the rank. `held`: its first batch waits for the turn of the rank. `running`: it is admitted. `complete`: all bytes are there, and the lead decides the end. `failed`, `cancelled`, `expired`: the end that the rank asks for.',
    ),
  reason: failure.optional().describe('Present if `state` is `failed`, `cancelled` or `expired`.'),
  chunks: natural.describe('Number of chunks of this rank.'),
  deduplicated: natural.describe(
    'Number of those chunks that the rank does not have to write, as far as it has pages.',
  ),
  joined: natural.describe('Number of the `deduplicated` chunks that another request was writing.'),
  bytes: natural.describe('Bytes that the rank has to write, as far as it has pages.'),
  appealed: z
    .strictObject({ rank: natural.max(RANKS_MAX - 1), epoch })
    .optional()
    .describe(
      'Present when rank 0 was never put at its prefill agent, which reports because another rank appealed: that rank, and the epoch of its prefill agent. The report belongs to the attempt of that rank.',
    ),
  timeoutMs: timeoutMs.describe('Time left for this rank, in milliseconds from the arrival of the message.'),
});
export type RankReport = z.infer<typeof reportRequest>;
const rankEpochs = z.array(epoch).min(1).max(RANKS_MAX);
const reportReply = ok.extend({
  turn: rankEpochs
    .optional()
    .describe(
      'Present when it is the turn of this rank: epochs of the prefill agents of the ranks at this decode agent, which it admits together.',
    ),
  end: end.optional().describe('End of the whole request. Absent while it is in progress.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/**
 * Agent of another rank → prefill agent of rank 0: the lead is gone, or refuses the rank. The prefill agent of rank 0 sees to
 * it that the request gets an end, also when rank 0 was never put. A repeated message changes nothing.
 */
const appealRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch: epoch.describe('Epoch of the prefill agent of the rank that appeals.'),
  ranks,
  reason: failure.describe('Why there is no decision of the lead.'),
  timeoutMs: timeoutMs.describe(
    'Time left for the rank that appeals, in milliseconds from the arrival of the message.',
  ),
});
const appealReply = ok.extend({
  end: end
    .optional()
    .describe('End of the request, if the prefill agent has recorded one. Absent while it sees to the end.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/** Decode agent of rank 0 → decode agent of other ranks: it is their turn, and they may be admitted together. */
const admitRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epochs: rankEpochs.describe('Epochs of the prefill agents of the ranks at this decode agent.'),
});

/** Decode agent of rank 0 → decode agent of another rank, before `ready`: is the rank complete, and waits for the end? */
const prepareRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch: epoch.describe('Epoch of the prefill agent of that rank.'),
});

/** Decode agent of rank 0 → decode agent of another rank: the whole request has ended. */
const verdictRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch: epoch.describe('Epoch of the prefill agent of that rank.'),
  end: end.describe('End of the whole request.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/**
 * Decode → prefill: asks the prefill agent to agree to an end that its own message has not caused. An answer without `end` is
 * a promise: the prefill agent announces no end of its own, and follows the decode agent.
 */
const confirmRequest = z.strictObject({
  v: version,
  request: anyRequest,
  epoch,
  receiverEpoch: epoch.describe('Epoch of the decode agent that asks. The promise is made to this process.'),
});
const confirmReply = ok.extend({
  end: end
    .optional()
    .describe('End that the prefill agent announced or is announcing. Absent if there is none: it agrees.'),
  reason: failure.optional().describe('Present if `end` is present and not `ready`.'),
});

/** Decode → prefill, no answer: a batch that waited for pages is admitted. */
const allocatedNotice = z.strictObject({ v: version, request: anyRequest, epoch, batch, allocation });

/** Decode → prefill, no answer: every joined chunk of this batch is ready. */
const joinedNotice = z.strictObject({ v: version, request: anyRequest, epoch, batch });

/** Decode → prefill, no answer: the request has ended and its end is announced. */
const endedNotice = z.strictObject({
  v: version,
  request: anyRequest,
  epoch,
  end,
  reason: failure.optional().describe('Present unless `end` is `ready`.'),
});

export const peerSchemas = {
  ping: { request: pingRequest, reply: ok },
  yield: { request: yieldRequest, reply: yieldReply },
  connect: { request: connectRequest, reply: connectReply },
  allocate: { request: allocateRequest, reply: allocateReply },
  commit: { request: commitRequest, reply: commitReply },
  abort: { request: abortRequest, reply: abortReply },
  drained: { request: drainedRequest, reply: ok },
  inquire: { request: inquireRequest, reply: inquireReply },
  handover: { request: handoverRequest, reply: handoverReply },
  confirm: { request: confirmRequest, reply: confirmReply },
  report: { request: reportRequest, reply: reportReply },
  appeal: { request: appealRequest, reply: appealReply },
  admit: { request: admitRequest, reply: ok },
  prepare: { request: prepareRequest, reply: ok },
  verdict: { request: verdictRequest, reply: ok },
  allocated: { request: allocatedNotice, reply: ok },
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
  heartbeatMs: heartbeatMs.describe('Time until the next heartbeat, in milliseconds.'),
  number: natural.describe('Number of this heartbeat, counted from 1 since the start of the process.'),
  ageMs: natural.describe('How long the process has had its name, in milliseconds.'),
  draining: z.boolean().describe('Whether the agent takes no new requests, because it is about to stop.'),
  alone,
  leaving: z.boolean().describe('Whether the agent is stopping and this is its last heartbeat.'),
});
export type Heartbeat = z.infer<typeof heartbeat>;
