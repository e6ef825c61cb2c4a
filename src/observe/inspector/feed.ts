/**
 * The data that the inspector's server sends to its page. `timeMs`, `fromMs`, `toMs` and `atMs` are milliseconds since 1970
 * on the server's clock. The server converts the times of all agents to it. `atMs` within `entry` is on the agent's own clock.
 */

import type { Body } from '../../protocol/body.js';
import type { Fault, FaultReply } from '../../protocol/faults.js';
import type { Failure } from '../../protocol/fields.js';
import type { ActorRow, Explanation, JournalEntry, MachineName } from '../../protocol/observation.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';
import type { End } from '../../protocol/subjects.js';

/** The source of the shown data and its connection state. */
export interface SourceView {
  readonly kind: 'live' | 'recording';
  /** A NATS address without credentials, or the name of a file. */
  readonly name: string;
  /** `connecting`: no agent has answered yet, or the recording is still being read. A complete recording is `connected`. */
  readonly state: 'connecting' | 'connected' | 'disconnected';
  /** The part of the past that can be shown. */
  readonly fromMs: number;
  readonly toMs: number;
  /** One request in `oneIn` is shown; 1: all. */
  readonly oneIn: number;
  /** Entries that agents dropped before the inspector could fetch them. */
  readonly missed: number;
  readonly faultsAllowed: boolean;
}

/** One agent at one time. */
export interface AgentView {
  readonly agent: string;
  readonly epoch: string;
  readonly timeMs: number;
  /** The agent no longer answers. The view is its last known state. */
  readonly silentMs?: number;
  readonly description: DescribeReply;
  /** The answer of `status` without requests. */
  readonly status: StatusReply;
  /** The page map of `inspect`, when the agent has an arena. */
  readonly pages?: string;
  /** Since the previous view: bytes sent, chunks that got a page, and requests that ended at this agent. */
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
  /** The epoch of the agent that owns the journal. */
  readonly agentEpoch: string;
  readonly timeMs: number;
  readonly entry: JournalEntry;
}

/** One request, assembled from the journals of all agents. Its identity is `epoch` and `request`. */
export interface RequestView {
  readonly request: string;
  /** The sender's epoch. */
  readonly epoch: string;
  readonly sender?: string;
  readonly receiver?: string;
  /** The rank that these two agents serve, and the number of ranks, if the request has several. */
  readonly rank?: number;
  readonly rankCount?: number;
  readonly startedMs: number;
  readonly changedMs: number;
  /** The state of its machine on each side; absent when that machine has ended. */
  readonly states: { readonly sender?: string; readonly receiver?: string };
  readonly end?: End;
  /** Time of the end. Leases are acquired and released after it. */
  readonly endedMs?: number;
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

/** The answer of an agent to `explain`. */
export interface ExplanationView extends Explanation {
  readonly agent: string;
  /** The agent's clock at the time of the answer. `atMs` in `trail` is on the same clock. */
  readonly nowMs: number;
}

/** The drawing of a machine. States have the id of `ActorRow.paths` in `data-state`, arrows `data-source` and `data-target`. */
export interface ChartView {
  readonly machine: MachineName | 'page';
  readonly svg: string;
}

/** Sent as server-sent events of these names by `GET /api/feed`, as JSON. */
export interface Feed {
  /** Sent first, and then twice a second; for a recording, while it is being read. */
  readonly cluster: ClusterView;
  /** Journal entries since the last `entries`. */
  readonly entries: readonly EntryView[];
  /** The current state of the requests that have changed since the last `requests`. */
  readonly requests: readonly RequestView[];
  /** Names of events that were left out because the page reads too slowly. The page must fetch its data again. */
  readonly dropped: { readonly events: number };
}

export interface RequestDetail {
  readonly request: RequestView;
  /** Ordered by time. */
  readonly entries: readonly EntryView[];
}

/**
 * Answers are JSON. An error is `{ error: Failure }` with a status of 4xx or 5xx. A list longer than `limit` has its newest
 * elements.
 *
 * - `GET /api/charts`: `ChartView[]`; their style sheet is `GET /drawing.css`
 * - `GET /api/cluster?atMs=`: `ClusterView`, now or at that time; 404 when that time is unknown
 * - `GET /api/requests?text=&agent=&state=&reason=&atMs=&limit=`: `RequestView[]`, newest first. `text` is part of an id or of a
 *   key; `state` one of a machine or an end; `reason` part of a code
 * - `GET /api/requests/<epoch>/<request>?atMs=`: `RequestDetail`
 * - `GET /api/actors?agent=&machine=&request=&actor=&atMs=`: `ActorView[]`; for the past of a live cluster with an empty `context` and
 *   without `waiting`
 * - `GET /api/entries?agent=&actor=&request=&fromMs=&toMs=&limit=`: `EntryView[]`, ordered by time
 * - `GET /api/explain?about=request|transfer|key|page&name=&agent=&atMs=`: `ExplanationView[]`; `atMs` counts only for a recording
 * - `POST /api/faults` `FaultOrder`: `FaultOutcome`; only with `--allow-faults`
 *
 * The page's own files are served from `/`; Preact's modules from `/vendor/preact/` (`dist/preact.mjs`,
 * `hooks/dist/hooks.mjs`). The page may load nothing else, and may have no style in an attribute or in its HTML; of scripts
 * only an import map.
 */
export const paths = {
  feed: '/api/feed',
  charts: '/api/charts',
  cluster: '/api/cluster',
  requests: '/api/requests',
  actors: '/api/actors',
  entries: '/api/entries',
  explain: '/api/explain',
  faults: '/api/faults',
  drawingStyle: '/drawing.css',
} as const;

/** A fault for an agent that was started with `--allow-faults`. The agent's `description` says whether it was. */
export const faults = [
  'kill',
  'stop',
  'partition',
  'heal',
  'slow-write',
  'zombie-writer',
] as const satisfies readonly Fault[];

export interface FaultOrder {
  readonly agent: string;
  readonly fault: Fault;
  /** Duration; the agent has a default. */
  readonly forMs?: number;
}

export type FaultOutcome = Body<FaultReply>;
