/**
 * Read-only operations for people and tools: the live actors and pages of an agent (`inspect`), its past (`journal`), and
 * why a request, transfer, key or page waits (`explain`). No transfer depends on them.
 */
import { z } from 'zod';
import { naturals } from './columns.js';
import {
  agentName,
  agentState,
  anyRequest,
  batch,
  epoch,
  failure,
  key,
  keysUpTo,
  rank,
  role,
  version,
} from './fields.js';
import {
  EXPLANATIONS_MAX,
  HOLDERS_SHOWN_MAX,
  INSPECT_ACTORS_MAX,
  JOURNAL_ENTRIES_PER_CALL_MAX,
  KEYS_SHOWN_MAX,
  RANKS_MAX,
  TRAIL_ENTRIES_MAX,
} from './limits.js';

const natural = z.int().min(0);

export const machineNames = [
  'agent',
  'line',
  'peer',
  'connection',
  'request',
  'transfer',
  'ingest',
  'group',
  'rank',
] as const;
/** State machines that run as actors (machines/README.md). Pages have a state machine, but no actors. */
export type MachineName = (typeof machineNames)[number];
const machine = z.enum(machineNames).describe('State machine of the actor.');

export const gates = [
  'receiver',
  'admission',
  'writer',
  'fabric',
  'engine',
  'router',
  'sender',
  'ranks',
  'peer',
  'clock',
] as const;
/** What an actor waits for. */
export type Gate = (typeof gates)[number];

/** The object of an entry. Its kind and machine decide which fields are present. */
const about = {
  request: anyRequest.optional(),
  epoch: epoch.optional().describe('Epoch of the prefill agent. For a peer: epoch of the other agent.'),
  batch: batch.optional(),
  peer: agentName.optional().describe('Name of the other agent.'),
};
/** The object of an actor, with the rank that it serves. */
const aboutActor = {
  ...about,
  rank: rank.optional().describe('Rank that the actor serves, if its request has several.'),
  rankCount: natural.max(RANKS_MAX).optional().describe('Number of ranks of that request.'),
};

const actorName = z.string().max(512).describe('Name of the actor: `<machine> <identity>`. Unique in the agent.');
const stateName = z
  .string()
  .max(256)
  .describe('State: `writing`, `running.open`, or, in a parallel state, `connected and alive`.');
const atMs = z.number().describe("Time of the entry on this agent's clock, comparable with `nowMs`.");

const chunks = natural.describe('Number of chunks.');
const keysShown = keysUpTo(KEYS_SHOWN_MAX).describe('The first keys of these chunks.');
const pagesShown = naturals(KEYS_SHOWN_MAX).describe('Pages of these chunks, in the order of `keys`.');

/** Journal entry: an actor changed its state. */
const stateEntry = z.strictObject({
  n: natural.describe('Number of the entry.'),
  atMs,
  kind: z.literal('state'),
  machine,
  actor: actorName,
  ...aboutActor,
  event: z.string().max(128).describe('Event that caused the change. Empty when the actor was started.'),
  from: stateName.optional().describe('State before. Absent when the actor was started.'),
  to: stateName,
  done: z.boolean().describe('Whether the actor has ended.'),
  reason: failure.optional().describe('Failure of the actor, if there was one.'),
});

/** Journal entry: a message was sent or received. Its time is the time of the answer. */
const messageEntry = z.strictObject({
  n: natural,
  atMs,
  kind: z.literal('message'),
  direction: z.enum(['in', 'out']),
  operation: z.string().max(64),
  ...about,
  tookMs: z.number().optional().describe('Time until the answer. Absent for messages without an answer.'),
  code: z.string().max(64).optional().describe('Error code of the answer, if it was an error.'),
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

/** Journal entry: the store changed the state of chunks and pages. */
const storeEntry = z.strictObject({
  n: natural,
  atMs,
  kind: z.literal('store'),
  action: z.enum(storeActions),
  ...about,
  chunks,
  keys: keysShown,
  pages: pagesShown.optional(),
  detail: z.string().max(512).optional().describe('Text for people.'),
});

export const journalEntry = z.discriminatedUnion('kind', [stateEntry, messageEntry, storeEntry]);
export type JournalEntry = z.infer<typeof journalEntry>;
export type StateEntry = z.infer<typeof stateEntry>;
export type MessageEntry = z.infer<typeof messageEntry>;
export type StoreEntry = z.infer<typeof storeEntry>;

const journalRequest = z.strictObject({
  v: version,
  from: natural
    .optional()
    .describe('Number of the first entry to return. Default: the oldest entry that the agent keeps.'),
  limit: z
    .int()
    .min(1)
    .max(JOURNAL_ENTRIES_PER_CALL_MAX)
    .default(JOURNAL_ENTRIES_PER_CALL_MAX)
    .describe('Maximum number of entries.'),
  request: anyRequest.optional().describe('Returns only entries about this request.'),
  oneIn: z
    .int()
    .min(1)
    .max(65_536)
    .default(1)
    .describe(
      'Returns entries about one request in this many, and all entries about no request. Every agent selects the same requests.',
    ),
});
const journalReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  nowMs: z.number().describe("Time on the agent's clock when it answered."),
  entries: z.array(journalEntry).describe('Entries, oldest first.'),
  next: natural.describe('Value of `from` for the next call.'),
  end: natural.describe('Number that the next new entry will have. If it equals `next`, no entries are left.'),
  missed: natural.describe('Number of entries after `from` that the agent no longer keeps.'),
});

const waiting = z.strictObject({
  gate: z.enum(gates).describe('Kind of thing that the actor waits for.'),
  text: z.string().max(512).describe('Text for people: what the actor waits for.'),
  endsInMs: z.number().optional().describe('Time until the deadline, after which the wait ends.'),
});
export type Waiting = z.infer<typeof waiting>;

const actorRow = z.strictObject({
  machine,
  actor: actorName,
  ...aboutActor,
  state: stateName,
  paths: z
    .array(z.string().max(256))
    .describe('Ids of its current states as in the drawings, for example `transfer.writing`.'),
  ageMs: z.number().describe('Time since the actor was started.'),
  inStateMs: z.number().describe('Time since the actor entered this state.'),
  waiting: waiting.optional().describe('Present if the actor waits for something.'),
  context: z.record(z.string(), z.unknown()).describe('Context of the state machine. Long lists are cut.'),
});
export type ActorRow = z.infer<typeof actorRow>;

const inspectRequest = z.strictObject({
  v: version,
  actors: z.int().min(0).max(INSPECT_ACTORS_MAX).default(INSPECT_ACTORS_MAX).describe('Maximum number of actors.'),
  request: anyRequest.optional().describe('Returns only actors of this request.'),
  actor: actorName.optional().describe('Returns only this actor.'),
  pages: z.boolean().default(false).describe('Whether to return the state of every page.'),
});
const inspectReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  role,
  state: agentState,
  nowMs: z.number().describe("Time on the agent's clock when it answered."),
  actors: z.array(actorRow).describe('Actors: first peers and groups, then the others, oldest first.'),
  actorsTotal: natural.describe('Number of matching actors, before `actors` is applied.'),
  pages: z
    .string()
    .optional()
    .describe(
      'State of every page in page order, as runs: `f` free, `w` writing, `r` ready, `k` retained, `q` quarantined, each followed by a count. Example: `f120w3r5`.',
    ),
});

const explainRequest = z.strictObject({
  v: version,
  request: anyRequest.optional().describe('Request to explain.'),
  transfer: actorName.optional().describe('Transfer to explain: `<epoch>/<request>/<batch>`.'),
  key: key.optional().describe('Key to explain.'),
  page: natural.optional().describe('Page number to explain.'),
});

const holder = z.strictObject({
  request: anyRequest,
  epoch,
  holds: z.string().max(256).describe('Text for people: what the request holds, and since when.'),
  pages: natural.describe('Number of pages that the request keeps.'),
  endsInMs: z.number().optional().describe('Time until the request must release them.'),
});
export type HolderRow = z.infer<typeof holder>;

/** One request, transfer, key or page, as one side of one agent sees it. */
const explanation = z.strictObject({
  about: z.enum(['request', 'transfer', 'key', 'page']).describe('Kind of object that is explained.'),
  name: z.string().max(640).describe('Name of the object.'),
  side: z.enum(['sender', 'receiver']).describe('Side of the agent that explains.'),
  state: stateName,
  inStateMs: z.number().optional().describe('Time in this state, if it is known.'),
  summary: z.string().max(2048).describe('Text for people: a summary in one or two sentences.'),
  waiting: waiting.optional().describe('Present if the object waits for something.'),
  holders: z
    .array(holder)
    .max(HOLDERS_SHOWN_MAX)
    .describe('Requests that hold the object, or that hold the pages it waits for.'),
  holdersTotal: natural.describe('Number of such requests, including those that are not listed.'),
  trail: z
    .array(journalEntry)
    .max(TRAIL_ENTRIES_MAX)
    .describe('Journal entries about the object, oldest first, as far as the agent keeps them.'),
});
export type Explanation = z.infer<typeof explanation>;

const explainReply = z.strictObject({
  v: version,
  ok: z.literal(true),
  agent: agentName,
  epoch,
  nowMs: z.number().describe("Time on the agent's clock when it answered."),
  explanations: z
    .array(explanation)
    .max(EXPLANATIONS_MAX)
    .describe('Explanations. Empty if the agent does not know the object.'),
});

export const observationSchemas = {
  inspect: { request: inspectRequest, reply: inspectReply },
  journal: { request: journalRequest, reply: journalReply },
  explain: { request: explainRequest, reply: explainReply },
} as const;
