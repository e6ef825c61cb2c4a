/** Draws the faults of a scenario. */
import type { Random } from '../../../figures/random.js';
import { peerOperations } from '../../../protocol/subjects.js';
import type { AgentPlan, FaultPlan } from './scenario.js';
import { ACTIVE_MS, MENDED_MS, SKEW_MAX } from './timing.js';

/**
 * The kinds of faults, each with the share of scenarios with many faults in which it is drawn. A kind that often finds nothing
 * to strike is drawn more often, so that every pair of kinds meets often enough.
 */
const shares = {
  messageLost: 0.7,
  messageRepeated: 0.7,
  messageDelayed: 0.7,
  messageReordered: 0.8,
  writeSlow: 0.7,
  writeFailed: 0.7,
  writeBroken: 0.75,
  writeLate: 0.65,
  crash: 0.4,
  freeze: 0.4,
  paused: 0.45,
  cutOff: 0.4,
  partition: 0.4,
  severed: 0.4,
  serverFrozen: 0.4,
  routeReset: 0.4,
  natsRestart: 0.4,
  revokeSlow: 0.4,
  routerCrash: 0.4,
  clockSkew: 0.4,
  clockStep: 0.5,
  engineDeath: 0.55,
} as const satisfies Record<FaultPlan['kind'], number>;

const kinds = Object.keys(shares) as FaultPlan['kind'][];
/** More than any window can strike. */
const MESSAGES_MAX = 100_000;
/** Share of the faults of messages that strike answers only. */
const ANSWERS = 0.35;
/** Share of the faults of messages that begin with a message of a certain operation. */
const OPENED = 0.3;
const CALM = 0.1;
const FEW = 0.2;
const FEW_MAX = 2;
/** Share of the faults that begin together, when a burst of requests has begun. */
const TOGETHER = 0.5;
const TOGETHER_MS = { from: -300, to: 300 };

/**
 * Some scenarios have no fault and some have few: in these, most requests are struck by none. Many faults begin near `atMs`,
 * so that they meet.
 */
export function drawFaults(random: Random, agents: readonly AgentPlan[], atMs: number): FaultPlan[] {
  const plan = (kind: FaultPlan['kind']) => {
    const { from, to } = TOGETHER_MS;
    const together = Math.max(0, atMs + random.integer(from, to));
    return faultPlan(random, agents, kind, random.chance(TOGETHER) ? together : random.integer(0, ACTIVE_MS));
  };
  const mood = random.next();
  if (mood < CALM) return [];
  if (mood < CALM + FEW) {
    return Array.from({ length: random.integer(1, FEW_MAX) }, () => plan(random.pick(kinds)));
  }
  return kinds.filter((kind) => random.chance(shares[kind])).map(plan);
}

/** What may strike a hand-over, and how often it does. */
const heirShares = [
  'messageLost',
  'messageLost',
  'messageDelayed',
  'messageRepeated',
  'messageReordered',
  'partition',
  'severed',
  'cutOff',
  'freeze',
  'writeBroken',
  'writeBroken',
  'writeSlow',
  'writeFailed',
  'revokeSlow',
] as const;
const HEIR = 0.35;
const HEIR_MS = 150;
const HEIR_LONG_MS = 900;
/** Messages of a hand-over. */
const HEIR_MESSAGES = ['handover', 'handover', 'handover', 'abort', 'drained', 'commit', null] as const;

/** Faults that strike around a hand-over, soon after `atMs`. */
export function drawHeirFaults(random: Random, agents: readonly AgentPlan[], atMs: number): FaultPlan[] {
  return heirShares
    .filter(() => random.chance(HEIR))
    .map((kind) => {
      const plan = faultPlan(random, agents, kind, atMs + random.integer(0, HEIR_MS));
      if (!('untilMs' in plan)) return plan;
      if ('salt' in plan && kind.startsWith('write')) {
        return { ...plan, rate: 1, most: random.integer(1, 3), opensWith: random.pick(['handover', null] as const) };
      }
      if (kind === 'revokeSlow') return plan;
      const untilMs = plan.fromMs + random.integer(20, HEIR_LONG_MS);
      if (!('salt' in plan)) return { ...plan, untilMs };
      const only = random.pick(agents.filter(({ role }) => role === 'prefill')).name;
      return { ...plan, untilMs, rate: random.pick([0.5, 1]), only, opensWith: random.pick(HEIR_MESSAGES) };
    });
}

function faultPlan(random: Random, agents: readonly AgentPlan[], kind: FaultPlan['kind'], fromMs: number): FaultPlan {
  const target = random.pick(agents).name;
  const only = random.chance(0.5) ? null : target;
  const oneOf = (role: AgentPlan['role']) => random.pick(agents.filter((agent) => agent.role === role)).name;
  const untilMs = Math.min(fromMs + random.integer(20, 2500), MENDED_MS);
  switch (kind) {
    case 'crash':
      return { kind, target, fromMs, afterMessages: random.integer(0, 30), forMs: random.integer(0, 2500) };
    case 'freeze':
    case 'paused':
      return { kind, target, fromMs, afterMessages: random.integer(0, 30), forMs: random.integer(100, 3000) };
    case 'cutOff':
      return { kind, target, fromMs, untilMs };
    case 'partition':
    case 'severed':
      return { kind, between: [oneOf('prefill'), oneOf('decode')], fromMs, untilMs };
    case 'serverFrozen':
      return { kind, server: random.integer(0, 1), fromMs, untilMs };
    case 'natsRestart':
    case 'routerCrash':
    case 'routeReset':
    case 'revokeSlow':
      return { kind, fromMs, untilMs };
    case 'clockSkew':
      return { kind, target, rate: random.between(1 - SKEW_MAX, 1 + SKEW_MAX) };
    case 'clockStep':
      return { kind, target, fromMs, byMs: random.integer(100, 3000) };
    case 'engineDeath':
      return { kind, target: oneOf('prefill'), fromMs };
    case 'writeSlow':
    case 'writeFailed':
    case 'writeBroken':
    case 'writeLate': {
      const window = { rate: random.pick([0.1, 0.5, 1]), most: random.integer(1, 8), salt: random.integer(0, 2 ** 31) };
      const sender = only === null ? null : oneOf('prefill');
      return { kind, fromMs, untilMs: MENDED_MS, ...window, only: sender, answers: false, opensWith: null };
    }
    default: {
      const [rate, most] = [random.pick([0.02, 0.1, 0.3, 1]), MESSAGES_MAX];
      const answers = random.chance(ANSWERS);
      const opensWith = random.chance(OPENED) ? random.pick(peerOperations) : null;
      return { kind, fromMs, untilMs, rate, most, salt: random.integer(0, 2 ** 31), only, answers, opensWith };
    }
  }
}
