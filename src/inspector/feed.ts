/**
 * What the inspector's server tells its page. Times are milliseconds; `timeMs` is on the server's clock, to which those of all
 * agents are brought, so that they can be compared.
 */

import type { Failure } from '../protocol/fields.js';
import type { ActorRow, Explanation, JournalEntry, MachineName } from '../protocol/observation.js';
import type { DescribeReply, StatusReply } from '../protocol/operations.js';
import type { End } from '../protocol/subjects.js';

/** Where what is shown comes from, and whether it still comes. */
export interface SourceView {
  readonly kind: 'live' | 'recording';
  /** A NATS address without credentials, or the name of a file. */
  readonly name: string;
  readonly state: 'connecting' | 'connected' | 'disconnected';
  /** What of the past can be shown. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of so many requests one is shown; 1: all. */
  readonly oneIn: number;
  /** Entries that were lost, because they came faster than they could be fetched. */
  readonly missed: number;
  readonly faultsAllowed: boolean;
}

/** One agent at one time. */
export interface AgentView {
  readonly agent: string;
  readonly epoch: string;
  readonly timeMs: number;
  /** It does not answer any more; this is the last that was heard. */
  readonly silentMs?: number;
  readonly description: DescribeReply;
  /** Without its requests. */
  readonly status: StatusReply;
  /** As `inspect` says it, when it has an arena. */
  readonly pages?: string;
  /** Since the view before. */
  readonly rates: { readonly bytesPerS: number; readonly chunksPerS: number; readonly requestsPerS: number };
}

export interface ClusterView {
  readonly timeMs: number;
  readonly source: SourceView;
  readonly agents: readonly AgentView[];
}

/** One entry of an agent's journal. */
export interface EntryView {
  readonly agent: string;
  /** Of the agent whose journal it is from. */
  readonly agentEpoch: string;
  readonly timeMs: number;
  readonly entry: JournalEntry;
}

/** One request, put together from the journals of all agents. */
export interface RequestView {
  readonly request: string;
  readonly epoch: string;
  readonly sender?: string;
  readonly receiver?: string;
  readonly startedMs: number;
  readonly changedMs: number;
  /** State of its machines, by the side that has them; gone when they have ended. */
  readonly states: { readonly sender?: string; readonly receiver?: string };
  readonly end?: End;
  readonly reason?: Failure;
  readonly batches: number;
  readonly chunks: number;
  readonly deduplicated: number;
  readonly joined: number;
  readonly handedOver: number;
}

/** An actor of some agent. */
export interface ActorView extends ActorRow {
  readonly agent: string;
  readonly agentEpoch: string;
}

/** What an agent says to a question. */
export interface ExplanationView extends Explanation {
  readonly agent: string;
}

/** The drawing of a machine. States have the id of `ActorRow.paths` in `data-state`, arrows `data-source` and `data-target`. */
export interface ChartView {
  readonly machine: MachineName | 'page';
  readonly svg: string;
}

/** Sent as server-sent events of these names by `GET /api/feed`, as JSON. */
export interface Feed {
  /** First, and then twice a second. */
  readonly cluster: ClusterView;
  /** What has happened since the last of these. */
  readonly entries: readonly EntryView[];
  /** Requests that have changed since the last of these. */
  readonly requests: readonly RequestView[];
}

/**
 * Answered as JSON; errors as `{ error: Failure }` with a status of 4xx or 5xx.
 *
 * - `GET /api/charts`: `ChartView[]`
 * - `GET /api/cluster?atMs=`: `ClusterView`, now or then
 * - `GET /api/requests?text=&agent=&state=&reason=&atMs=&limit=`: `RequestView[]`, newest first
 * - `GET /api/requests/<epoch>/<request>?atMs=`: `{ request: RequestView, entries: EntryView[] }`
 * - `GET /api/actors?agent=&machine=&request=&atMs=`: `ActorView[]`; of the past without `context` and `waiting`
 * - `GET /api/entries?agent=&actor=&fromMs=&toMs=&limit=`: `EntryView[]`
 * - `GET /api/explain?about=request|transfer|key|page&name=`: `ExplanationView[]`
 * - `POST /api/faults` `{ agent, fault }`: only with `--allow-faults`
 */
export interface RequestDetail {
  readonly request: RequestView;
  readonly entries: readonly EntryView[];
}

export const faults = ['kill', 'stop', 'continue', 'partition', 'heal', 'slow-write', 'zombie-writer'] as const;
export type Fault = (typeof faults)[number];
