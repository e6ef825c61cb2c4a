/** Draws the requests of a scenario. */
import type { Random } from '../../../figures/random.js';
import type { AgentPlan, RequestPlan } from './scenario.js';
import { ACTIVE_MS, REQUEST_MS_MAX } from './timing.js';

const PREFIXES = 3;
/** Share of the prompts that begin with the first prefix, whatever they draw. */
const FAVOURITE = 0.4;
const PREFIX_CHUNKS = 4;
const OWN_KEYS = 12;
export const LAST_REQUEST_MS = ACTIVE_MS - 1000;
/** Many prompts arrive in a burst, so that they join chunks that other requests are writing. */
const BURST_MS = 12;
const IN_BURST = 0.7;
/** Limit of the requests over several ranks. */
const RANKED_MAX = 3;
const RANK_LATE_MS = 2000;
/** Timeouts: many are short, so that faults overtake them; the others leave time for the repair. */
const SHORT_MS = { from: 400, to: 3000 };
const LONG_MS = { from: 4000, to: REQUEST_MS_MAX };
const LONG = 0.45;

export function drawRequests(random: Random, agents: readonly AgentPlan[], burstsMs: readonly number[]): RequestPlan[] {
  const requests = Array.from({ length: random.integer(8, 24) }, (_, index) => {
    const atMs = random.chance(IN_BURST) ? random.pick(burstsMs) + random.integer(0, BURST_MS) : undefined;
    return requestPlan(random, index, agents, atMs ?? random.integer(0, LAST_REQUEST_MS));
  });
  return [...requests, ...hogs(random, agents), ...overRanks(random, agents, burstsMs)];
}

/**
 * Two requests over two ranks that do not fit together, and come to the two ranks in opposite order. They have time for one
 * after the other.
 */
export function drawCrowd(random: Random, agents: readonly AgentPlan[], atMs: number): RequestPlan[] {
  const senders = agents.filter(({ role }) => role === 'prefill');
  const receivers = agents.filter(({ role }) => role === 'decode');
  const members = senders.map(({ name }, rank) => ({
    sender: name,
    receiver: (receivers[rank % receivers.length] as AgentPlan).name,
  }));
  return ['x', 'y'].flatMap((name, turn) =>
    members.map((member, rank) => ({
      ...requestPlan(random, rank, agents, atMs + (turn === rank ? 0 : random.integer(1, 30))),
      ...member,
      request: name,
      batches: [crowdKeys(name, rank, receivers.find((one) => one.name === member.receiver)?.pages ?? 0, members)],
      timeoutMs: REQUEST_MS_MAX,
      unfinished: false,
      cancel: null,
      late: false,
      staged: false,
      use: 'reads' as const,
      ranks: { rank, members },
    })),
  );
}

/**
 * One request writes a few chunks and is cancelled; some others have joined it. Later ones need the pages that become free.
 */
export function drawHeirs(random: Random, agents: readonly AgentPlan[], atMs: number): RequestPlan[] {
  const keys = ['h0', 'h1'].slice(0, random.integer(1, 2));
  const plain = { unfinished: false, cancel: null, late: false, staged: false };
  const plan = (index: number, laterMs: number, batches: readonly (readonly string[])[]): RequestPlan => {
    const timeoutMs = random.integer(LONG_MS.from, LONG_MS.to);
    return { ...requestPlan(random, index, agents, atMs + laterMs), ...plain, batches, timeoutMs };
  };
  const writer: RequestPlan = {
    ...plan(0, 0, [keys]),
    cancel: { side: random.pick(['sender', 'receiver'] as const), afterMessages: 1, delayMs: random.integer(1, 100) },
  };
  const heirs = Array.from({ length: random.integer(1, 3) }, (_, index) =>
    plan(1 + index, random.integer(2, 12), random.chance(0.5) ? [keys] : [keys, [`o${index}`]]),
  );
  const later = Array.from({ length: random.integer(1, 5) }, (_, index) =>
    plan(1 + heirs.length + index, random.integer(50, 1500), [[`l${index}`, `m${index}`]]),
  );
  return [writer, ...heirs, ...later];
}

/** Keys of one rank, so many that the ranks of one request take more than half of each arena. */
function crowdKeys(
  request: string,
  rank: number,
  pages: number,
  members: readonly { readonly receiver: string }[],
): string[] {
  const sharing = members.filter(({ receiver }) => receiver === members[rank]?.receiver).length;
  const count = Math.floor((pages * 0.75) / sharing);
  return Array.from({ length: Math.max(1, count) }, (_, chunk) => `${request}${rank}.${chunk}`);
}

function requestPlan(random: Random, index: number, agents: readonly AgentPlan[], atMs: number): RequestPlan {
  const receiver = random.pick(agents.filter(({ role }) => role === 'decode'));
  const keys = keysOf(random, receiver.pages);
  const { from, to } = random.chance(LONG) ? LONG_MS : SHORT_MS;
  return {
    request: `r${index}`,
    atMs,
    sender: random.pick(agents.filter(({ role }) => role === 'prefill')).name,
    receiver: receiver.name,
    batches: batchesOf(random, keys),
    unfinished: random.chance(0.05),
    pauseMs: random.chance(0.15) ? random.integer(300, 1500) : random.integer(0, 40),
    timeoutMs: random.integer(from, to),
    staged: random.chance(0.25),
    cancel: random.chance(0.2)
      ? {
          side: random.pick(['sender', 'receiver'] as const),
          afterMessages: random.integer(0, 24),
          delayMs: random.chance(0.5) ? 0 : random.integer(1, 200),
        }
      : null,
    use: random.pick(['reads', 'reads', 'reads', 'releases', 'never'] as const),
    holdMs: random.integer(0, 300),
    late: random.chance(0.1),
  };
}

/** The keys of a prompt: a shared prefix and some keys of its own. A few prompts are too large for the arena. */
function keysOf(random: Random, pages: number): string[] {
  const prefix = random.chance(FAVOURITE) ? 0 : random.integer(0, PREFIXES - 1);
  const shared = Array.from({ length: random.integer(0, PREFIX_CHUNKS) }, (_, chunk) => `p${prefix}.${chunk}`);
  const own = new Set<string>();
  const count = random.chance(0.03) ? pages + 1 : random.integer(0, 3);
  while (own.size < Math.min(count, OWN_KEYS)) own.add(`k${random.integer(0, OWN_KEYS - 1)}`);
  return [...shared, ...own];
}

/** Splits the keys into one, two or three batches. The last batch may be empty. */
function batchesOf(random: Random, keys: readonly string[]): string[][] {
  const cuts = Array.from({ length: random.pick([0, 0, 1, 2]) }, () => random.integer(0, keys.length)).sort(
    (a, b) => a - b,
  );
  const edges = [0, ...cuts, keys.length];
  const batches = edges.slice(1).map((edge, index) => keys.slice(edges[index], edge));
  // Only the last batch of a request may be empty.
  return batches.filter((batch, index) => batch.length > 0 || index === batches.length - 1);
}

/** Requests that fill a whole arena, and that the decode engine never releases. */
function hogs(random: Random, agents: readonly AgentPlan[]): RequestPlan[] {
  if (!random.chance(0.3)) return [];
  const receiver = random.pick(agents.filter(({ role }) => role === 'decode'));
  return [
    {
      request: 'hog',
      atMs: random.integer(0, ACTIVE_MS / 2),
      sender: random.pick(agents.filter(({ role }) => role === 'prefill')).name,
      receiver: receiver.name,
      batches: [Array.from({ length: receiver.pages }, (_, chunk) => `hog.${chunk}`)],
      unfinished: false,
      pauseMs: 0,
      timeoutMs: SHORT_MS.to,
      staged: false,
      cancel: null,
      use: 'never',
      holdMs: 0,
      late: false,
    },
  ];
}

/** Requests over several ranks. Each rank has its own prefill agent. */
function overRanks(random: Random, agents: readonly AgentPlan[], burstsMs: readonly number[]): RequestPlan[] {
  const senders = agents.filter(({ role }) => role === 'prefill');
  if (senders.length < 2) return [];
  return Array.from({ length: random.integer(0, RANKED_MAX) }, (_, index) => {
    const atMs = random.pick(burstsMs) + random.integer(0, BURST_MS);
    const plans = senders.map(({ name }) => ({ ...requestPlan(random, index, agents, atMs), sender: name }));
    const members = plans.map(({ sender, receiver }) => ({ sender, receiver }));
    // Only one rank may be cancelled, unfinished or late. If every rank could be, hardly any request would become ready.
    const odd = random.integer(0, 2 * plans.length);
    return plans.map((plan, rank) => ({
      ...plan,
      request: `ranks${index}`,
      atMs: atMs + (rank === odd ? random.integer(0, RANK_LATE_MS) : random.integer(0, BURST_MS)),
      ...(rank === odd ? {} : { unfinished: false, cancel: null, late: false }),
      ranks: { rank, members },
    }));
  }).flat();
}
