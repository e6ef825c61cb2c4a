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
  /** For each rank, the number of the agent that receives it, and of its arena. The agent of rank 0 leads the ranks. */
  readonly agentOfRank: readonly number[];
  readonly pagesPerArena: number;
  readonly budget: Budget;
}

/** One rank of a request. */
export interface Rank {
  readonly request: string;
  readonly rank: number;
}

/** What a rank reports. */
export type Report = 'held' | 'running' | 'complete' | Exclude<End, 'ready'>;

/** Messages with `to` are for all ranks of the request at that agent. The others are for, or from, one rank. */
export type RankMessage =
  | (Rank & { readonly kind: 'allocate' })
  | (Rank & { readonly kind: 'commit'; readonly allocation: Allocation })
  | (Rank & { readonly kind: 'report'; readonly state: Report })
  | { readonly kind: 'admit'; readonly request: string; readonly to: number }
  | (Rank & { readonly kind: 'prepare' })
  | (Rank & { readonly kind: 'prepared'; readonly ok: boolean })
  | (Rank & { readonly kind: 'verdict'; readonly end: End })
  | (Rank & { readonly kind: 'informed' });

export type GroupSnapshot = SnapshotFrom<typeof groupMachine>;
export type IngestSnapshot = SnapshotFrom<typeof ingestMachine>;

export interface RankState {
  readonly stores: readonly StoreNode[];
  /** At the agent that leads the ranks, by request. */
  readonly groups: Readonly<Record<string, GroupSnapshot>>;
  /** By the name of the rank. */
  readonly ingests: Readonly<Record<string, IngestSnapshot>>;
  /** Ranks that have reported to the lead. */
  readonly reported: readonly string[];
  /** Ranks whose answer the lead waits for, before it goes on. */
  readonly unanswered: readonly string[];
  /** Ranks that have the end of their request. */
  readonly informed: readonly string[];
  readonly messages: readonly RankMessage[];
  /** Messages that were lost, and will be sent again. */
  readonly again: readonly RankMessage[];
  /** Numbers of the ranks whose sender is dead, and of those whose sender the receiver has declared dead. */
  readonly dead: readonly number[];
  readonly lost: readonly number[];
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
