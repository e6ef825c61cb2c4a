/**
 * Who lives. One place judges it: `src/actors/living`. It has one verdict for each epoch of an agent, for all parts that watch it, and
 * knows whether this agent itself can be heard.
 */
import type { Failure } from '../../protocol/fields.js';

/** One process of an agent. */
export interface Process {
  readonly agent: string;
  readonly epoch: string;
}

/** Why a process counts as dead. */
export interface Loss {
  readonly reason: Failure;
  /** The process has reported its end, or another one has its place. Otherwise it was only silent. */
  readonly isProven: boolean;
}

export type Liveness = 'alive' | 'suspect' | 'unheard' | 'lost';

/** One party's interest in a process. */
export interface Watch {
  readonly state: Liveness;
  /** Undefined while the process lives. A lost process stays lost. */
  readonly loss: Loss | undefined;
  /** A message of the process came. */
  heard(): void;
  /** The process is of no interest any more. `lost` is not called after that. */
  close(): void;
}

export type Answer = 'alive' | 'silent' | { readonly replacedBy: string };

export interface Living {
  /**
   * Watches a process. `lost` is called once, when it is declared dead. `heartbeatMs` is its interval, if known: its next
   * heartbeat names it.
   */
  watch(process: Process & { readonly heartbeatMs?: number | undefined }, lost: (loss: Loss) => void): Watch;
  /** A message or an answer of a process came. A process that no part watches is ignored. */
  heard(process: Process): void;
  /** Asks a process directly. `replacedBy` is the epoch that has its place: the process is gone for good. */
  ask(process: Process, timeoutMs: number): Promise<Answer>;
  /** Whether the heartbeats of this agent come back from NATS. While they do not, silence proves nothing. */
  readonly isLineUp: boolean;
  /** Whether no write of an earlier process of this agent can become ready. */
  readonly isAlone: boolean;
  /** Whether another process that runs sends heartbeats under the name of this agent. */
  readonly hasTwin: boolean;
  onLine(listener: (isUp: boolean) => void): void;
}
