/**
 * What an agent shows of itself: its live actors and pages (`inspect`), what has happened (`journal`), and why something
 * waits (`explain`). All of it is for people and tools; nothing that moves bytes depends on it.
 */
import { z } from 'zod';
import { agentName, agentState, batch, epoch, failure, key, requestId, role, version } from './fields.js';
import {
  EXPLANATIONS_MAX,
  HOLDERS_SHOWN_MAX,
  INSPECT_ACTORS_MAX,
  JOURNAL_ENTRIES_PER_CALL_MAX,
  KEYS_SHOWN_MAX,
  TRAIL_ENTRIES_MAX,
} from './limits.js';

const natural = z.int().min(0);

export const machineNames = ['agent', 'peer', 'request', 'transfer', 'ingest', 'group'] as const;
/** The machines of which actors run (machines/README.md). Pages have a machine and no actors. */
export type MachineName = (typeof machineNames)[number];
const machine = z.enum(machineNames);

export const gates = [
  'receiver',
  'admission',
  'writer',
  'fabric',
  'engine',
  'sender',
  'ranks',
  'peer',
  'clock',
] as const;
/** Whom or what something waits for. */
export type Gate = (typeof gates)[number];

/** What an actor is about. Which fields are set depends on its machine. */
const about = {
  request: requestId.optional(),
  epoch: epoch.optional().describe("The sender's epoch; of a peer, that of the other agent."),
  batch: batch.optional(),
  peer: agentName.optional().describe('The other agent.'),
};

const actorName = z.string().max(512).describe('`<machine> <identity>`, unique in the agent.');
const stateName = z
  .string()
  .max(256)
  .describe('`writing`, `running.open`, or `connected and alive` of several at once.');
const atMs = z.number().describe("When, on this agent's own clock; compare with `nowMs`.");

const chunks = natural.describe('Chunks it is about.');
const keysShown = z.array(key).max(KEYS_SHOWN_MAX).describe('The first of their keys.');
const pagesShown = z.array(natural).max(KEYS_SHOWN_MAX).describe('Their pages, in the order of `keys`.');

/** A machine changed its state. */
const stateEntry = z.strictObject({
  n: natural.describe('Number of the entry.'),
  atMs,
  kind: z.literal('state'),
  machine,
  actor: actorName,
  ...about,
  event: z.string().max(128).describe('What made it change; empty when the actor was started.'),
  from: stateName.optional().describe('Not set when the actor was started.'),
  to: stateName,
  done: z.boolean().describe('It has ended.'),
  reason: failure.optional().describe('What went wrong with it, if anything has.'),
});

/** A message was sent and answered, or came in and was answered. Its time is that of the answer. */
const messageEntry = z.strictObject({
  n: natural,
  atMs,
  kind: z.literal('message'),
  direction: z.enum(['in', 'out']),
  operation: z.string().max(64),
  ...about,
  tookMs: z.number().optional().describe('Time until the answer; not set for notices, which have none.'),
  code: z.string().max(64).optional().describe('Error code of the answer, when it was an error.'),
});

export const storeActions = [
  'granted',
  'fenced',
  'queued',
  'admitted',
  'allocated',
  'joined',
  'deduplicated',
  'committed',
  'handed-over',
  'ended',
  'quarantined',
  'drained',
  'acquired',
  'released',
  'expired',
  'evicted',
] as const;
export type StoreAction = (typeof storeActions)[number];

/** The store did something with chunks and their pages: the audit trail. */
const storeEntry = z.strictObject({
  n: natural,
  atMs,
  kind: z.literal('store'),
  action: z.enum(storeActions),
  ...about,
  chunks,
  keys: keysShown,
  pages: pagesShown.optional(),
  detail: z.string().max(512).optional().describe('For people.'),
});

export const journalEntry = z.discriminatedUnion('kind', [stateEntry, messageEntry, storeEntry]);
export type JournalEntry = z.infer<typeof journalEntry>;
export type StateEntry = z.infer<typeof stateEntry>;
export type MessageEntry = z.infer<typeof messageEntry>;
export type StoreEntry = z.infer<typeof storeEntry>;

const journalRequest = z.strictObject({
  v: version,
  from: natural.optional().describe('Number of the first entry wanted; default: the oldest that is kept.'),
  limit: z.int().min(1).max(JOURNAL_ENTRIES_PER_CALL_MAX).default(JOURNAL_ENTRIES_PER_CALL_MAX),
  request: requestId.optional().describe('Only entries about this request.'),
  oneIn: z
    .int()
    .min(1)
    .max(65_536)
    .default(1)
    .describe(
      'Only entries about one request in so many (chosen by its id, the same at every agent), and those about none.',
    ),
});
const journalReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  nowMs: z.number().describe("The agent's clock."),
  entries: z.array(journalEntry),
  next: natural.describe('Go on from here.'),
  end: natural.describe('Number that the next entry will have: when it is `next`, nothing is left to read.'),
  missed: natural.describe('Entries from `from` on that are not kept any more.'),
});

const waiting = z.strictObject({
  gate: z.enum(gates),
  text: z.string().max(512).describe('For people: what it waits for.'),
  endsInMs: z.number().optional().describe('When it ends otherwise: time until the deadline.'),
});
export type Waiting = z.infer<typeof waiting>;

const actorRow = z.strictObject({
  machine,
  actor: actorName,
  ...about,
  state: stateName,
  paths: z.array(z.string().max(256)).describe('Ids of the states it is in: `transfer.writing`, as in the drawings.'),
  ageMs: z.number().describe('Since it was started.'),
  inStateMs: z.number().describe('Since it came into this state.'),
  waiting: waiting.optional(),
  context: z.record(z.string(), z.unknown()).describe('What the machine remembers; long lists are cut.'),
});
export type ActorRow = z.infer<typeof actorRow>;

const inspectRequest = z.strictObject({
  v: version,
  actors: z.int().min(0).max(INSPECT_ACTORS_MAX).default(INSPECT_ACTORS_MAX).describe('Rows wanted at most.'),
  request: requestId.optional().describe('Only actors of this request.'),
  actor: actorName.optional().describe('Only this one.'),
  pages: z.boolean().default(false).describe('Also the map of the pages.'),
});
const inspectReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: agentState,
  nowMs: z.number().describe("The agent's clock."),
  actors: z.array(actorRow).describe('Those of peers and groups first, then the oldest first.'),
  actorsTotal: natural,
  pages: z
    .string()
    .optional()
    .describe(
      'State of every page by number, in runs: `f` free, `w` writing, `r` ready, `k` retained, `q` quarantined, each followed by how many, as `f120w3r5`.',
    ),
});

const explainRequest = z.strictObject({
  v: version,
  request: requestId.optional(),
  transfer: actorName.optional().describe('`<epoch>/<request>/<batch>`.'),
  key: key.optional(),
  page: natural.optional(),
});

const holder = z.strictObject({
  request: requestId,
  epoch,
  holds: z.string().max(256).describe('For people: what it holds, since when.'),
  pages: natural.describe('Pages that it keeps.'),
  endsInMs: z.number().optional().describe('When it must let go.'),
});
export type HolderRow = z.infer<typeof holder>;

/** One thing, as one agent sees it. */
const explanation = z.strictObject({
  about: z.enum(['request', 'transfer', 'key', 'page']),
  name: z.string().max(512),
  side: z.enum(['sender', 'receiver']),
  state: stateName,
  inStateMs: z.number().optional().describe('How long it has been so, if that is known.'),
  summary: z.string().max(2048).describe('For people: the whole in a sentence or two.'),
  waiting: waiting.optional(),
  holders: z.array(holder).max(HOLDERS_SHOWN_MAX).describe('Who holds it, or what it waits for.'),
  holdersTotal: natural,
  trail: z
    .array(journalEntry)
    .max(TRAIL_ENTRIES_MAX)
    .describe('What has happened to it, oldest first, as far as it is remembered.'),
});
export type Explanation = z.infer<typeof explanation>;

const explainReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  nowMs: z.number().describe("The agent's clock."),
  explanations: z.array(explanation).max(EXPLANATIONS_MAX).describe('Empty: this agent knows nothing of it.'),
});

export const observationSchemas = {
  inspect: { request: inspectRequest, reply: inspectReply },
  journal: { request: journalRequest, reply: journalReply },
  explain: { request: explainRequest, reply: explainReply },
} as const;
