/** The state of a world of requests over two ranks: the groups, the ingests and arenas of the ranks, and what is under way. */
import type { SnapshotFrom } from 'xstate';
import type { groupMachine } from '../../../../machines/group.js';
import type { ingestMachine } from '../../../../machines/ingest.js';
import type { Allocation } from '../../../../src/protocol/allocation.js';
import type { End } from '../../../../src/protocol/subjects.js';
import type { Budget } from '../faults.js';
import type { StoreNode } from '../store-log.js';

export interface RankConfiguration {
  /** Names of the requests. Each has two ranks with one chunk each. */
  readonly requests: readonly string[];
  /** For each rank, the number of its arena. The agent with arena 0 leads the ranks. */
  readonly arenaOfRank: readonly number[];
  readonly pagesPerArena: number;
  readonly budget: Budget;
}

/** One rank of a request. */
export interface Rank {
  readonly request: string;
  readonly rank: number;
}

export type RankMessage = Rank &
  (
    | { readonly kind: 'allocate' }
    | { readonly kind: 'commit'; readonly allocation: Allocation }
    | { readonly kind: 'report'; readonly state: 'held' | 'running' | 'complete' | Exclude<End, 'ready'> }
    /** The ranks at the arena of this rank have their turn. */
    | { readonly kind: 'admit' }
    | { readonly kind: 'prepare' }
    | { readonly kind: 'verdict'; readonly end: End }
  );

export type GroupSnapshot = SnapshotFrom<typeof groupMachine>;
export type IngestSnapshot = SnapshotFrom<typeof ingestMachine>;

export interface RankState {
  readonly stores: readonly StoreNode[];
  /** At the agent that leads the ranks, by request. */
  readonly groups: Readonly<Record<string, GroupSnapshot>>;
  /** By the name of the rank. */
  readonly ingests: Readonly<Record<string, IngestSnapshot>>;
  /** Ranks that their sender has put. */
  readonly put: readonly string[];
  readonly messages: readonly RankMessage[];
  readonly announced: Readonly<Record<string, readonly End[]>>;
  /** Requests that a fault has struck. */
  readonly struck: readonly string[];
  readonly budget: Budget;
  /** The first violation during a step, or null. */
  readonly fault: string | null;
}

export const nameOfRank = ({ request, rank }: Rank) => `${request}/${rank}`;
/** How the store of its arena names a rank. Each rank has a sender of its own. */
export const holderOf = ({ request, rank }: Rank) => ({ request, epoch: `e${rank}` });
export const grantOf = (rank: number) => `g${rank}`;
