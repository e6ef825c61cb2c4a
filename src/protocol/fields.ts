/** Field types that several messages share. Every object is strict: an unknown field is an error. */
import { z } from 'zod';
import { errorCodes } from './errors.js';
import {
  BATCHES_PER_REQUEST_MAX,
  CHUNKS_PER_REQUEST_MAX,
  KEY_BYTES_MAX,
  KEYS_PER_BATCH_MAX,
  NAME_BYTES_MAX,
  PROTOCOL_VERSION,
  RANKS_MAX,
  REQUEST_ID_BYTES_MAX,
  TIMEOUT_MS_MAX,
} from './limits.js';
import { ends } from './subjects.js';

export const version = z.literal(PROTOCOL_VERSION).describe('Protocol version.');

const name = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/, 'only letters, digits, _ and -')
  .max(NAME_BYTES_MAX);
export const agentName = name.describe('Stable name of an agent; one NATS subject token.');
export const segmentName = name.describe('Name of an attached source segment.');
export const holderName = name.describe('Name of the engine that borrows staging pages.');

export const epoch = z
  .string()
  .regex(/^[0-9a-f]{16}$/, '16 lower-case hexadecimal digits')
  .describe('Random 64 bits, new at every start of a process.');

export const requestId = z
  .string()
  .min(1)
  .max(REQUEST_ID_BYTES_MAX)
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
  .describe("The router's name for one prompt.");

/** No character of a key is escaped in JSON, so that the size of a full batch is bounded. */
export const key = z
  .string()
  .min(1)
  .max(KEY_BYTES_MAX)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'printable ASCII without spaces, quotes and backslashes')
  .describe('Name of one chunk of KV cache, e.g. model@world_size@worker_id@chunk_hash@dtype. Opaque.');

export const keys = z.array(key).max(KEYS_PER_BATCH_MAX);

const natural = z.int().min(0);
const positive = z.int().min(1);

export const batch = natural.max(BATCHES_PER_REQUEST_MAX - 1).describe('Number of the batch in its request, from 0.');
export const totalChunks = natural.max(CHUNKS_PER_REQUEST_MAX).describe('Chunks of the whole request.');
export const timeoutMs = positive.max(TIMEOUT_MS_MAX).describe('Time left for this, in milliseconds from its arrival.');

/** `count` chunks that lie one after the other, each `length` bytes, starts `stride` (default `length`) bytes apart. */
export const sourceRun = z.strictObject({
  segment: segmentName,
  offset: natural.describe('Bytes from the start of the segment.'),
  length: positive.describe('Bytes of each chunk; at most one page.'),
  count: positive.max(KEYS_PER_BATCH_MAX).default(1).describe('Chunks of this run.'),
  stride: positive.optional().describe('Bytes from one start to the next; default: length.'),
});
export type SourceRun = z.infer<typeof sourceRun>;

/** `count` chunks of `length` bytes each. */
export const lengthRun = z.strictObject({
  length: positive.describe('Bytes of each chunk.'),
  count: positive.max(KEYS_PER_BATCH_MAX).describe('Chunks of this length.'),
});
export type LengthRun = z.infer<typeof lengthRun>;

export const rank = natural.max(RANKS_MAX - 1).describe('Number of a tensor-parallel rank, from 0.');

/** A request over several ranks: which one this is, and who moves each of them. */
export const ranks = z.strictObject({
  rank: rank.describe('Which of them this is; a position in `members`.'),
  members: z
    .array(
      z.strictObject({
        sender: agentName.describe('Prefill agent of that rank. No two ranks have the same.'),
        receiver: agentName.describe('Decode agent of that rank. That of rank 0 leads: it announces the end.'),
      }),
    )
    .min(1)
    .max(RANKS_MAX)
    .describe('Every rank of the request, in order; the same list with each of them.'),
});
export type Ranks = z.infer<typeof ranks>;

export const positions = z.array(natural).max(KEYS_PER_BATCH_MAX).describe('Positions in the batch, from 0.');
export const pages = z.array(natural).max(KEYS_PER_BATCH_MAX).describe('Page numbers in the arena.');
export const generations = z.array(natural).max(KEYS_PER_BATCH_MAX).describe('Generation of each page.');

export const end = z.enum(ends).describe('How a request ended.');

/** Why something ended or was refused. */
export const failure = z.strictObject({
  code: z.enum(errorCodes).describe('What programs look at; one of the error codes.'),
  message: z.string().describe('For people. Names what it is about; its wording may change.'),
  field: z.string().optional().describe('The offending field of the message.'),
});
export type Failure = z.infer<typeof failure>;

export const provider = z
  .enum(['same-host', 'tcp', 'net', 'verbs', 'memory'])
  .describe('How bytes travel. `memory` occurs only in tests.');
export const role = z.enum(['prefill', 'decode', 'both']).describe('It sends, it receives, or both.');
export type Role = z.infer<typeof role>;
export const agentState = z
  .enum(['starting', 'running', 'draining', 'fencing', 'stopped'])
  .describe('A draining agent takes no new requests.');

export const endpoint = z.strictObject({
  provider,
  detail: z.string().describe('What the provider really is, for people.'),
  address: z.string().describe('Only for the other agent; opaque.'),
});

export const arena = z.strictObject({
  path: z.string().describe('File that a local engine maps to read pages.'),
  epoch,
  pageBytes: positive.describe('Bytes of a page. Page n begins at byte n * pageBytes of the file.'),
  pages: positive.describe('Pages of the arena.'),
});

export const pageCounts = z.strictObject({
  total: natural.describe('All pages of the arena.'),
  free: natural.describe("Nobody's."),
  writing: natural.describe('Handed out; their bytes are not all there.'),
  ready: natural.describe('Can be read.'),
  quarantined: natural.describe('Their writer gave up and may still write into them.'),
  reserved: natural.describe('Pages, free or retained, that are promised to admitted requests.'),
  retained: natural.describe('Of the ready ones, those that nobody leases: cache, given up when pages are needed.'),
});
export type PageCounts = z.infer<typeof pageCounts>;

/** Runs of equal lengths, back to one length a chunk. */
export function expandLengths(runs: readonly LengthRun[]): number[] {
  return runs.flatMap((run) => new Array<number>(run.count).fill(run.length));
}

/** One length a chunk, as runs. */
export function compressLengths(lengths: readonly number[]): LengthRun[] {
  const runs: LengthRun[] = [];
  for (const length of lengths) {
    const last = runs.at(-1);
    if (last?.length === length) last.count += 1;
    else runs.push({ length, count: 1 });
  }
  return runs;
}
