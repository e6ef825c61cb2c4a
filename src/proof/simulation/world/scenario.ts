/**
 * What happens in one simulated world, drawn from its seed: who is there, what is asked of them, and what goes wrong. Plain
 * data, so that a scenario that shows something can be made smaller by leaving parts of it out.
 */

import { Random } from '../../../figures/random.js';
import type { Ranks } from '../../../protocol/fields.js';
import { ACTIVE_MS, MENDED_MS, REQUEST_MS_MAX } from './timing.js';

export interface AgentPlan {
  readonly name: string;
  readonly role: 'prefill' | 'decode';
  /** Of the arena or of the staging memory. */
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
  /** Its bytes lie in staging memory of the agent. */
  readonly staged: boolean;
  /** Given up at that side when so many of its messages have passed. */
  readonly cancel: { readonly side: 'sender' | 'receiver'; readonly afterMessages: number } | null;
  /** What the decode engine does with it; `never` releases nothing. */
  readonly use: 'reads' | 'releases' | 'never';
  readonly holdMs: number;
  /** The engine puts one more batch when it knows the end. */
  readonly late: boolean;
  /** Which rank this is of a request over several: each of them is a plan of its own. */
  readonly ranks?: Ranks;
}

/** Of those that pass meanwhile, each with this probability. */
interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly rate: number;
  readonly salt: number;
}

export type MessageFault = 'messageLost' | 'messageRepeated' | 'messageDelayed' | 'messageReordered';
export type WriteFault = 'writeSlow' | 'writeFailed' | 'writeBroken' | 'writeLate';

/** Strikes when so many messages of or to `target` have passed since `fromMs`. */
interface Strike {
  readonly target: string;
  readonly fromMs: number;
  readonly afterMessages: number;
  readonly forMs: number;
}

export type FaultPlan =
  | ({ readonly kind: MessageFault | WriteFault } & Window)
  | ({ readonly kind: 'crash' | 'freeze' } & Strike)
  /** `target` has no line to NATS. */
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
/** Many prompts come at about the same time, and so share what is being written. */
const BURSTS = 3;
const BURST_MS = 12;
const IN_BURST = 0.7;
/** Requests over several ranks. */
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

/** A common beginning and something of its own; now and then one that can never fit. */
function keysOf(random: Random, pages: number): string[] {
  const prefix = random.integer(0, PREFIXES - 1);
  const shared = Array.from({ length: random.integer(0, PREFIX_CHUNKS) }, (_, chunk) => `p${prefix}.${chunk}`);
  const own = new Set<string>();
  const count = random.chance(0.03) ? pages + 1 : random.integer(0, 3);
  while (own.size < Math.min(count, OWN_KEYS)) own.add(`k${random.integer(0, OWN_KEYS - 1)}`);
  return [...shared, ...own];
}

/** One, two or three batches; the last may be empty. */
function batchesOf(random: Random, keys: readonly string[]): string[][] {
  const cuts = Array.from({ length: random.pick([0, 0, 1, 2]) }, () => random.integer(0, keys.length)).sort(
    (a, b) => a - b,
  );
  const edges = [0, ...cuts, keys.length];
  const batches = edges.slice(1).map((edge, index) => keys.slice(edges[index], edge));
  // Only the last batch of a request may be empty.
  return batches.filter((batch, index) => batch.length > 0 || index === batches.length - 1);
}

/** Requests that take a whole arena and are never released. */
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

/** Requests over several ranks, each of which has a prefill agent of its own. */
function overRanks(random: Random, agents: readonly AgentPlan[], burstsMs: readonly number[]): RequestPlan[] {
  const senders = agents.filter(({ role }) => role === 'prefill');
  if (senders.length < 2) return [];
  return Array.from({ length: random.integer(0, RANKED_MAX) }, (_, index) => {
    const atMs = random.pick(burstsMs) + random.integer(0, BURST_MS);
    const plans = senders.map(({ name }) => ({ ...requestPlan(random, index, agents, atMs), sender: name }));
    const members = plans.map(({ sender, receiver }) => ({ sender, receiver }));
    // One of them may be cancelled, not come to its end, or come late; what any may do is all too often done by one.
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
