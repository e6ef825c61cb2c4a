/**
 * A scenario: the agents, requests and faults of one simulated world. A scenario is plain data, so that `shrink` can remove
 * parts of it. `draw-scenario.ts` draws one from a seed.
 */

import type { Ranks } from '../../../protocol/fields.js';
import type { PeerOperation } from '../../../protocol/subjects.js';

export interface AgentPlan {
  readonly name: string;
  readonly role: 'prefill' | 'decode';
  /** Pages of the arena (decode) or of the staging memory (prefill). */
  readonly pages: number;
  readonly retainedMax: number;
  /** Number of the NATS server that the agent and its engine are connected to. */
  readonly server: number;
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
  /** The engine cancels the request at this side after that many messages of the request, and some time. */
  readonly cancel: {
    readonly side: 'sender' | 'receiver';
    readonly afterMessages: number;
    readonly delayMs: number;
  } | null;
  /** What the decode engine does with the ready request. With `never` it releases nothing. */
  readonly use: 'reads' | 'releases' | 'never';
  readonly holdMs: number;
  /** The engine puts one more batch after it learns the end. */
  readonly late: boolean;
  /** The rank, if the request has several ranks. Each rank has its own plan. */
  readonly ranks?: Ranks;
  /** The put names no receiver, and a router sends these calls. Undefined: the put names it. */
  readonly routes?: readonly RouteCall[];
}

/** A router names a receiver, so long after the put. */
export interface RouteCall {
  readonly afterMs: number;
  readonly receiver: string;
  /** So many chunks at the beginning of the request do not travel. Undefined: all travel. */
  readonly skip?: number;
}

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** In its span, the fault strikes each message or write with the probability `rate`. */
interface Window extends Span {
  readonly rate: number;
  readonly salt: number;
  /** Most messages or writes that are struck. */
  readonly most: number;
  /** The only agent whose messages or writes are struck, or null for all. */
  readonly only: string | null;
  /** Only answers are struck: what was asked for is done, and is asked for again. */
  readonly answers: boolean;
  /** The span begins with the first message of this operation after `fromMs`. Null: with `fromMs`. */
  readonly opensWith: PeerOperation | null;
}

export const messageFaults = ['messageLost', 'messageRepeated', 'messageDelayed', 'messageReordered'] as const;
export type MessageFault = (typeof messageFaults)[number];
export const writeFaults = ['writeSlow', 'writeFailed', 'writeBroken', 'writeLate'] as const;
export type WriteFault = (typeof writeFaults)[number];

/** Strikes after `afterMessages` messages from or to `target`, counted from `fromMs`. */
interface Strike {
  readonly target: string;
  readonly fromMs: number;
  readonly afterMessages: number;
  readonly forMs: number;
}

export type WindowPlan = { readonly kind: MessageFault | WriteFault } & Window;
/** `paused`: the machine of the agent is paused, and the agent's clock stands still. */
export type StrikePlan = { readonly kind: 'crash' | 'freeze' | 'paused' } & Strike;
export type SpanPlan = Span &
  (
    | { readonly kind: 'natsRestart' | 'routerCrash' | 'routeReset' | 'revokeSlow' }
    /** `target` is disconnected from NATS. */
    | { readonly kind: 'cutOff'; readonly target: string }
    /** Between two agents, messages are lost (`partition`), or no interest is known (`severed`). */
    | { readonly kind: 'partition' | 'severed'; readonly between: readonly [string, string] }
    /** A NATS server stands still with its connections open. */
    | { readonly kind: 'serverFrozen'; readonly server: number }
  );

export type FaultPlan =
  | WindowPlan
  | StrikePlan
  | SpanPlan
  | { readonly kind: 'clockSkew'; readonly target: string; readonly rate: number }
  /** The clock of an agent steps forward. */
  | { readonly kind: 'clockStep'; readonly target: string; readonly fromMs: number; readonly byMs: number }
  /** The engine of a prefill agent is killed, and its memory vanishes. */
  | { readonly kind: 'engineDeath'; readonly target: string; readonly fromMs: number };

export interface Scenario {
  readonly seed: number;
  readonly agents: readonly AgentPlan[];
  readonly requests: readonly RequestPlan[];
  readonly faults: readonly FaultPlan[];
  /** Longest time of a slice of a write that no fault strikes. */
  readonly sliceMs: number;
}
