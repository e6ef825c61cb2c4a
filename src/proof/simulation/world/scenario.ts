/**
 * A scenario: the agents, requests and faults of one simulated world, drawn from a seed. A scenario is plain data, so that
 * `shrink` can remove parts of it.
 */

import { Random } from '../../../figures/random.js';
import type { Ranks } from '../../../protocol/fields.js';
import { ACTIVE_MS, MENDED_MS, REQUEST_MS_MAX } from './timing.js';

export interface AgentPlan {
  readonly name: string;
  readonly role: 'prefill' | 'decode';
  /** Pages of the arena (decode) or of the staging memory (prefill). */
  readonly pages: number;
  readonly retainedMax: number;
}

export interface RequestPlan {
  readonly request: string;
  readonly atMs: number;
  readonly sender: string;
  readonly receiver: string;
  readonly batches: readonly (readonly string[])[];
  /** The last batch never comes. */
  readonly unfinished: boolean;
  readonly pauseMs: number;
  readonly timeoutMs: number;
  /** The source bytes are in staging memory of the agent. */
  readonly staged: boolean;
  /** The engine cancels the request at this side after that many messages of the request. */
  readonly cancel: { readonly side: 'sender' | 'receiver'; readonly afterMessages: number } | null;
  /** What the decode engine does with the ready request. With `never` it releases nothing. */
  readonly use: 'reads' | 'releases' | 'never';
  readonly holdMs: number;
  /** The engine puts one more batch after it learns the end. */
  readonly late: boolean;
  /** The rank, if the request has several ranks. Each rank has its own plan. */
  readonly ranks?: Ranks;
}

/** From `fromMs` to `untilMs`, the fault strikes each message or write with the probability `rate`. */
interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly rate: number;
  readonly salt: number;
}

export type MessageFault = 'messageLost' | 'messageRepeated' | 'messageDelayed' | 'messageReordered';
export type WriteFault = 'writeSlow' | 'writeFailed' | 'writeBroken' | 'writeLate';

/** Strikes after `afterMessages` messages from or to `target`, counted from `fromMs`. */
interface Strike {
  readonly target: string;
  readonly fromMs: number;
  readonly afterMessages: number;
  readonly forMs: number;
}

export type FaultPlan =
  | ({ readonly kind: MessageFault | WriteFault } & Window)
  | ({ readonly kind: 'crash' | 'freeze' } & Strike)
  /** `target` is disconnected from NATS. */
  | { readonly kind: 'cutOff'; readonly target: string; readonly fromMs: number; readonly untilMs: number }
  /** No message passes between two agents. */
  | {
      readonly kind: 'partition';
      readonly between: readonly string[];
      readonly fromMs: number;
      readonly untilMs: number;
    }
  | { readonly kind: 'natsRestart'; readonly fromMs: number; readonly untilMs: number }
  | { readonly kind: 'routerCrash'; readonly fromMs: number; readonly untilMs: number }
  | { readonly kind: 'clockSkew'; readonly target: string; readonly rate: number };

export interface Scenario {
  readonly seed: number;
  readonly agents: readonly AgentPlan[];
  readonly requests: readonly RequestPlan[];
  readonly faults: readonly FaultPlan[];
}

const PREFIXES = 3;
const PREFIX_CHUNKS = 4;
const OWN_KEYS = 12;
const STAGING_PAGES = 6;
const LAST_REQUEST_MS = ACTIVE_MS - REQUEST_MS_MAX / 3;
/** Many prompts arrive in a burst, so that they join chunks that other requests are writing. */
const BURSTS = 3;
const BURST_MS = 12;
const IN_BURST = 0.7;
/** Limit of the requests over several ranks. */
const RANKED_MAX = 3;
const RANK_LATE_MS = 2000;

export function scenarioOf(seed: number): Scenario {
  const random = new Random(seed);
  const agents: AgentPlan[] = [];
  const add = (role: AgentPlan['role'], pages: () => number) => {
    for (let number = random.integer(0, 1); number >= 0; number -= 1) {
      agents.push({ name: `${role}-${agents.length}`, role, pages: pages(), retainedMax: random.pick([0, 0, 2, 4]) });
    }
  };
  add('prefill', () => STAGING_PAGES);
  add('decode', () => random.integer(4, 14));
  const burstsMs = Array.from({ length: BURSTS }, () => random.integer(0, LAST_REQUEST_MS));
  const requests = Array.from({ length: random.integer(8, 24) }, (_, index) => {
    const atMs = random.chance(IN_BURST) ? random.pick(burstsMs) + random.integer(0, BURST_MS) : undefined;
    return requestPlan(random, index, agents, atMs ?? random.integer(0, LAST_REQUEST_MS));
  });
  requests.push(...hogs(random, agents), ...overRanks(random, agents, burstsMs));
  const faults = Array.from({ length: random.integer(0, 9) }, () => faultPlan(random, agents));
  return { seed, agents, requests, faults };
}

function requestPlan(random: Random, index: number, agents: readonly AgentPlan[], atMs: number): RequestPlan {
  const receiver = random.pick(agents.filter(({ role }) => role === 'decode'));
  const keys = keysOf(random, receiver.pages);
  return {
    request: `r${index}`,
    atMs,
    sender: random.pick(agents.filter(({ role }) => role === 'prefill')).name,
    receiver: receiver.name,
    batches: batchesOf(random, keys),
    unfinished: random.chance(0.05),
    pauseMs: random.integer(0, 40),
    timeoutMs: random.integer(400, REQUEST_MS_MAX),
    staged: random.chance(0.25),
    cancel: random.chance(0.2)
      ? { side: random.pick(['sender', 'receiver'] as const), afterMessages: random.integer(0, 24) }
      : null,
    use: random.pick(['reads', 'reads', 'reads', 'releases', 'never'] as const),
    holdMs: random.integer(0, 300),
    late: random.chance(0.1),
  };
}

/** The keys of a prompt: a shared prefix and some keys of its own. A few prompts are too large for the arena. */
function keysOf(random: Random, pages: number): string[] {
  const prefix = random.integer(0, PREFIXES - 1);
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
      timeoutMs: REQUEST_MS_MAX,
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

const faultKinds = [
  'messageLost',
  'messageLost',
  'messageRepeated',
  'messageDelayed',
  'messageReordered',
  'writeSlow',
  'writeFailed',
  'writeBroken',
  'writeLate',
  'crash',
  'crash',
  'crash',
  'freeze',
  'cutOff',
  'partition',
  'natsRestart',
  'routerCrash',
  'clockSkew',
] as const;

function faultPlan(random: Random, agents: readonly AgentPlan[]): FaultPlan {
  const kind = random.pick(faultKinds);
  const target = random.pick(agents).name;
  const fromMs = random.integer(0, ACTIVE_MS);
  const untilMs = Math.min(fromMs + random.integer(20, 2500), MENDED_MS);
  switch (kind) {
    case 'crash':
      return { kind, target, fromMs, afterMessages: random.integer(0, 30), forMs: random.integer(0, 2500) };
    case 'freeze':
      return { kind, target, fromMs, afterMessages: random.integer(0, 30), forMs: random.integer(100, 3000) };
    case 'cutOff':
      return { kind, target, fromMs, untilMs };
    case 'partition': {
      const sender = random.pick(agents.filter(({ role }) => role === 'prefill')).name;
      const receiver = random.pick(agents.filter(({ role }) => role === 'decode')).name;
      return { kind, between: [sender, receiver], fromMs, untilMs };
    }
    case 'natsRestart':
    case 'routerCrash':
      return { kind, fromMs, untilMs };
    case 'clockSkew':
      return { kind, target, rate: random.between(0.9, 1.1) };
    default:
      return { kind, fromMs, untilMs, rate: random.pick([0.02, 0.1, 0.3, 1]), salt: random.integer(0, 2 ** 31) };
  }
}
