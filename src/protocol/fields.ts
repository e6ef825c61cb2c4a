/** Field types that several messages share. Every object is strict: an unknown field is an error. */
import { z } from 'zod';
import { column, naturals } from './columns.js';
import { errorCodes } from './errors.js';
import {
  ADDRESS_LENGTH_MAX,
  BATCHES_PER_REQUEST_MAX,
  CHUNKS_PER_REQUEST_MAX,
  DESCRIBED_TEXT_MAX,
  ENDPOINTS_MAX,
  FAILURE_TEXT_MAX,
  KEY_BYTES_MAX,
  KEYS_PER_BATCH_MAX,
  NAME_BYTES_MAX,
  PATH_BYTES_MAX,
  PIECES_PER_CHUNK_MAX,
  PROTOCOL_VERSION,
  RANKS_MAX,
  REQUEST_ID_BYTES_MAX,
  TIMEOUT_MS_MAX,
} from './limits.js';
import { rows } from './rows.js';
import { shortened } from './shown-text.js';
import { ends } from './subjects.js';

export const version = z.literal(PROTOCOL_VERSION).describe('Protocol version.');

const name = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/, 'only letters, digits, _ and -')
  .max(NAME_BYTES_MAX);
export const agentName = name.describe('Name of an agent. It stays the same over restarts.');
export const segmentName = name.describe('Name of a source segment.');
export const holderName = name.describe('Name of the engine that borrows staging pages.');

export const tenantName = name
  .regex(/^[^_]/, 'does not begin with _')
  .describe('Tenant: a team whose requests, keys and memory no other one sees.');

/** What observers, and agents among themselves, see: the name of a tenant and a space come first, unless it is the default one. */
function ofAnyTenant(pattern: string, lengthMax: number) {
  return z
    .string()
    .max(NAME_BYTES_MAX + 1 + lengthMax)
    .regex(new RegExp(`^([A-Za-z0-9-][A-Za-z0-9_-]{0,63} )?${pattern}$`), 'a name, or a tenant, a space and a name');
}
export const anySegment = ofAnyTenant('[A-Za-z0-9_-]{1,64}', NAME_BYTES_MAX).describe('Name of a source segment.');
export const anyHolder = ofAnyTenant('[A-Za-z0-9_-]{1,64}', NAME_BYTES_MAX).describe('Name of the engine.');
export const anySession = ofAnyTenant('[0-9a-f]{16}', 16).describe('Session of an engine with its prefill agent.');
export const anyRequest = ofAnyTenant(`[\\x21-\\x7e]{1,${REQUEST_ID_BYTES_MAX}}`, REQUEST_ID_BYTES_MAX).describe(
  'Request id, chosen by the router. Between agents and for observers of all tenants: the tenant and a space before it, unless it is `default`.',
);

export const epoch = z
  .string()
  .regex(/^[0-9a-f]{16}$/, '16 lower-case hexadecimal digits')
  .describe('Identifies one run of a process: 64 random bits, chosen at every start.');

export const sessionId = z
  .string()
  .regex(/^[0-9a-f]{16}$/, '16 lower-case hexadecimal digits')
  .describe('Session of an engine with its prefill agent: 64 random bits, chosen by the engine.');
export const orderNumber = z
  .int()
  .min(0)
  .describe('Number of the order in its session. The first order is 0, each next one is greater by 1.');

export const requestId = z
  .string()
  .min(1)
  .max(REQUEST_ID_BYTES_MAX)
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
  .describe('Request id, chosen by the router.');

/** Characters of a key: any but control characters and halves of characters. JSON escapes at most every second byte of it. */
const KEY_CHARACTERS = /^[^\p{Cc}\p{Cs}]+$/u;
const KEY_MEANING =
  'Name of a chunk, for example `model@world_size@worker_id@chunk_hash@dtype`. kvferry only compares keys.';
const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;
const utf8 = new TextEncoder();

function keyFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'Invalid input: expected string';
  if (value === '') return 'Too small: expected a key of at least 1 character';
  // Most keys are ASCII, which is checked faster.
  const isAscii = PRINTABLE_ASCII.test(value);
  if ((isAscii ? value.length : utf8.encode(value).length) > KEY_BYTES_MAX) {
    return `Too big: expected a key of at most ${KEY_BYTES_MAX} bytes of UTF-8`;
  }
  return isAscii || KEY_CHARACTERS.test(value)
    ? undefined
    : 'a key has no control characters and no halves of characters';
}

const keySchema = { type: 'string', minLength: 1, maxLength: KEY_BYTES_MAX, pattern: KEY_CHARACTERS.source };

export const key = z
  .custom<string>()
  .superRefine((value, context) => {
    const message = keyFault(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .meta({ ...keySchema, description: KEY_MEANING });

/** A list of keys. */
export function keysUpTo(lengthMax?: number): z.ZodType<string[], string[]> {
  return column(lengthMax, { ...keySchema, description: KEY_MEANING }, keyFault);
}

export const keys = keysUpTo(KEYS_PER_BATCH_MAX);

const natural = z.int().min(0);
const positive = z.int().min(1);

export const batch = natural.max(BATCHES_PER_REQUEST_MAX - 1).describe('Number of the batch in its request, from 0.');
export const totalChunks = natural
  .max(CHUNKS_PER_REQUEST_MAX)
  .describe('Number of chunks in the whole request, over all its batches.');
export const timeoutMs = positive
  .max(TIMEOUT_MS_MAX)
  .describe('Time limit in milliseconds, from the arrival of the message.');

/** A number from 1 on. The error says what it must be, because its schema alone does not show what it is for. */
function wholeNumber(max: number, what: string) {
  const error = `must be a whole number from 1 to ${max}: ${what}`;
  return z.int({ error }).min(1, { error }).max(max, { error });
}

/** A chunk that lies in several places: in pieces of equal length at equal distances. */
export const pieces = z.strictObject({
  count: wholeNumber(PIECES_PER_CHUNK_MAX, 'the number of pieces that make up a chunk').describe(
    'Number of pieces of each chunk. Divides `length`.',
  ),
  stride: wholeNumber(
    Number.MAX_SAFE_INTEGER,
    'the bytes from the start of one piece to the start of the next',
  ).describe('Bytes from the start of one piece to the start of the next: at least a piece.'),
});
export type Pieces = z.infer<typeof pieces>;

/** `count` chunks of `length` bytes each. One starts `stride` bytes after the other. */
export const sourceRun = z.strictObject({
  segment: segmentName,
  offset: natural.describe('Offset of the first chunk in the segment, in bytes.'),
  length: positive.describe('Size of each chunk in bytes, at most one page.'),
  count: positive.max(KEYS_PER_BATCH_MAX).default(1).describe('Number of chunks in this run.'),
  stride: positive
    .optional()
    .describe('Bytes from the start of one chunk to the start of the next. Default: the length of a piece.'),
  pieces: pieces
    .optional()
    .describe('Each chunk lies in pieces, which arrive one behind the other. Default: one piece of `length` bytes.'),
});
export type SourceRun = z.infer<typeof sourceRun>;

/** `count` chunks of `length` bytes each. */
export const lengthRun = z.strictObject({
  length: positive.describe('Size of each chunk in bytes.'),
  count: positive.max(KEYS_PER_BATCH_MAX).describe('Number of chunks of this length.'),
});
export type LengthRun = z.infer<typeof lengthRun>;

/** Lengths of the chunks of one batch. The runs are counted before anything is expanded. */
export const lengths = rows(lengthRun, KEYS_PER_BATCH_MAX).refine(
  (runs) => runs.reduce((sum, run) => sum + run.count, 0) <= KEYS_PER_BATCH_MAX,
  {
    message: `Too big: expected lengths of at most ${KEYS_PER_BATCH_MAX} chunks`,
    abort: true,
  },
);

export const rank = natural.max(RANKS_MAX - 1).describe('Number of a tensor-parallel rank, from 0.');

/** The ranks of a request: which one this message is about, and which two agents serve each of them. */
export const ranks = z
  .strictObject({
    rank: rank.describe('Rank that this message is about: an index into `members`.'),
    members: z
      .array(
        z.strictObject({
          sender: agentName.describe('Prefill agent of the rank. No two ranks have the same one.'),
          receiver: agentName.describe(
            'Decode agent of the rank. The decode agent of rank 0 is the lead: it announces the end.',
          ),
        }),
      )
      .min(1)
      .max(RANKS_MAX)
      .describe('All ranks of the request, in order. Every rank sends the same list.'),
  })
  .describe('Ranks of the request: the rank that the message is about, and the two agents of every rank.');
export type Ranks = z.infer<typeof ranks>;

export const positions = naturals(KEYS_PER_BATCH_MAX).describe('Positions of chunks in the batch, from 0.');
export const pages = naturals(KEYS_PER_BATCH_MAX).describe('Page numbers in the arena, from 0.');
export const generations = naturals(KEYS_PER_BATCH_MAX).describe('Generation of each page.');

export const end = z.enum(ends).describe('How a request ended.');

/** A longer text is cut, so that nobody keeps, logs or passes on more of another process's text than this. */
const failureText = z.string().overwrite((text) => shortened(text, FAILURE_TEXT_MAX));
/** Of a description of an agent, which its peers keep. */
export const describedText = z.string().overwrite((text) => shortened(text, DESCRIBED_TEXT_MAX));

/** Why a request ended, or why a message was refused. */
export const failure = z.strictObject({
  code: z.enum(errorCodes).describe('One of the error codes. Programs decide by this field.'),
  message: failureText.describe('Text for people. It names the object; the wording may change.'),
  field: failureText.optional().describe('Field of the message that caused the error.'),
});
export type Failure = z.infer<typeof failure>;

export const provider = z
  .enum(['same-host', 'tcp', 'libfabric-tcp', 'net', 'verbs', 'efa', 'memory'])
  .describe('How bytes travel. `memory` occurs only in tests.');
export type Provider = z.infer<typeof provider>;
/** Those that a setting can name. */
export const realProviders = provider.exclude(['memory']);
export type RealProvider = z.infer<typeof realProviders>;
export const role = z.enum(['prefill', 'decode', 'both']).describe('Whether the agent sends, receives, or does both.');
export type Role = z.infer<typeof role>;
export const agentState = z
  .enum(['starting', 'running', 'draining', 'fencing', 'stopped'])
  .describe('State of the agent. An agent that is `draining` accepts no new requests.');

export const alone = z
  .boolean()
  .describe(
    'Whether no other process of this name has sent a heartbeat for three heartbeats. Then no write of an earlier process can become ready.',
  );

export const endpoint = z.strictObject({
  provider,
  detail: describedText.describe('Details of the provider, for people.'),
  address: z.string().max(ADDRESS_LENGTH_MAX).describe('Address that another agent connects to. Opaque.'),
});

export const endpoints = z
  .array(endpoint)
  .max(ENDPOINTS_MAX)
  .describe('Ways to reach the arena, best first. Empty if the agent has no arena.');
export const unavailable = z
  .array(z.strictObject({ provider, reason: describedText.describe('Why the provider is not available.') }))
  .max(ENDPOINTS_MAX)
  .describe('Providers that are configured but not available on this host.');

export const cudaUuid = z
  .string()
  .regex(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'the UUID of a CUDA device, as nvidia-smi -L shows it')
  .describe('UUID of the device, for example `GPU-5a4b3c2d-0011-2233-4455-66778899aabb`.');

/** Memory of a CUDA device, for another process. */
export const deviceMemory = z.strictObject({
  handle: z
    .string()
    .regex(/^[0-9A-Za-z+/]{85}[AQgw]==$/, 'the 64 bytes of a CUDA IPC handle, in base64')
    .describe('CUDA IPC handle of the allocation (`cuIpcGetMemHandle`): its 64 bytes in base64.'),
  device: cudaUuid,
  offset: natural.default(0).describe('Bytes from the start of the allocation to the start of the memory.'),
  bytes: positive.describe('Size of the memory in bytes.'),
});

export const arena = z.strictObject({
  path: z
    .string()
    .max(PATH_BYTES_MAX)
    .optional()
    .describe('File that an engine on the same host maps to read pages. Absent when the arena is on a device.'),
  cuda: deviceMemory
    .optional()
    .describe('The arena on a CUDA device. An engine on the same host opens it with `cuIpcOpenMemHandle`.'),
  epoch,
  pageBytes: positive.describe(
    'Size of a page in bytes. Page n begins at byte n × `pageBytes` of the file, or of the memory.',
  ),
  pages: positive.describe('Number of pages in the arena.'),
});

export const pageCounts = z.strictObject({
  total: natural.describe('All pages of the arena.'),
  free: natural.describe('Pages that hold nothing.'),
  writing: natural.describe('Pages that a request is writing. Their bytes are not complete.'),
  ready: natural.describe('Pages that can be read.'),
  quarantined: natural.describe('Pages whose writer gave up, while its bytes may still arrive.'),
  reserved: natural.describe('Free or retained pages that are promised to admitted requests.'),
  retained: natural.describe('Ready pages without a lease. They are cache, and are reused when pages are needed.'),
});
export type PageCounts = z.infer<typeof pageCounts>;

/** Expands runs of equal lengths to one length for each chunk. */
export function expandLengths(runs: readonly LengthRun[]): number[] {
  return runs.flatMap((run) => new Array<number>(run.count).fill(run.length));
}

/** Joins equal lengths that follow each other to runs. */
export function compressLengths(lengths: readonly number[]): LengthRun[] {
  const runs: LengthRun[] = [];
  for (const length of lengths) {
    const last = runs.at(-1);
    if (last?.length === length) last.count += 1;
    else runs.push({ length, count: 1 });
  }
  return runs;
}
