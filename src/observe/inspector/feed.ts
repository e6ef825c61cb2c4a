/**
 * What the inspector's server tells its page. `timeMs`, `fromMs`, `toMs`, `atMs` are milliseconds since 1970 on the server's
 * clock, to which those of all agents are brought, so that they can be compared. `atMs` within `entry` is the agent's own clock.
 */

import type { Body } from '../../protocol/body.js';
import type { Fault, FaultReply } from '../../protocol/faults.js';
import type { Failure } from '../../protocol/fields.js';
import type { ActorRow, Explanation, JournalEntry, MachineName } from '../../protocol/observation.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';
import type { End } from '../../protocol/subjects.js';

/** Where what is shown comes from, and whether it still comes. */
export interface SourceView {
  readonly kind: 'live' | 'recording';
  /** A NATS address without credentials, or the name of a file. */
  readonly name: string;
  /** `connecting`: nobody has been asked yet; a recording is still being read. A recording that was read is `connected`. */
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
  /** Since the view before: bytes it has sent, chunks it has given pages to, requests that have ended here. */
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

/** One request, put together from the journals of all agents. Its identity is `epoch` and `request`. */
export interface RequestView {
  readonly request: string;
  /** The sender's. */
  readonly epoch: string;
  readonly sender?: string;
  readonly receiver?: string;
  readonly startedMs: number;
  readonly changedMs: number;
  /** State of its machines, by the side that has them; gone when they have ended. */
  readonly states: { readonly sender?: string; readonly receiver?: string };
  readonly end?: End;
  /** When it ended. Leases are acquired and released after that. */
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

/** What an agent says to a question. */
export interface ExplanationView extends Explanation {
  readonly agent: string;
  /** The agent's own clock, when it said so: that of `atMs` in `trail`. */
  readonly nowMs: number;
}

/** The drawing of a machine. States have the id of `ActorRow.paths` in `data-state`, arrows `data-source` and `data-target`. */
export interface ChartView {
  readonly machine: MachineName | 'page';
  readonly svg: string;
}

/** Sent as server-sent events of these names by `GET /api/feed`, as JSON. */
export interface Feed {
  /** First, and then twice a second; of a recording, while it is being read. */
  readonly cluster: ClusterView;
  /** What has happened since the last of these. */
  readonly entries: readonly EntryView[];
  /** Requests that have changed since the last of these, as they are now. */
  readonly requests: readonly RequestView[];
  /** What was left out just now, because the page reads too slowly: it should ask for what it shows anew. */
  readonly dropped: { readonly events: number };
}

export interface RequestDetail {
  readonly request: RequestView;
  /** In the order of their times. */
  readonly entries: readonly EntryView[];
}

/**
 * Answered as JSON; errors as `{ error: Failure }` with a status of 4xx or 5xx. Of lists that are longer than `limit` the newest
 * are answered.
 *
 * - `GET /api/charts`: `ChartView[]`; how they look is in the style sheet `GET /drawing.css`
 * - `GET /api/cluster?atMs=`: `ClusterView`, now or then; 404 when nothing is known of that time
 * - `GET /api/requests?text=&agent=&state=&reason=&atMs=&limit=`: `RequestView[]`, newest first. `text` is part of an id or of a
 *   key; `state` one of a machine or an end; `reason` part of a code
 * - `GET /api/requests/<epoch>/<request>?atMs=`: `RequestDetail`
 * - `GET /api/actors?agent=&machine=&request=&actor=&atMs=`: `ActorView[]`; of the past of a live cluster with an empty `context` and
 *   without `waiting`
 * - `GET /api/entries?agent=&actor=&request=&fromMs=&toMs=&limit=`: `EntryView[]`, in the order of their times
 * - `GET /api/explain?about=request|transfer|key|page&name=&agent=&atMs=`: `ExplanationView[]`; `atMs` counts only for a recording
 * - `POST /api/faults` `FaultOrder`: `FaultOutcome`; only with `--allow-faults`
 *
 * The page's own files are served from `/`; Preact's modules from `/vendor/preact/` (`dist/preact.mjs`,
 * `hooks/dist/hooks.mjs`). Nothing else may be loaded, no style may stand in an attribute or in the page itself; of scripts
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

/** What `kvferry fault` can do to an agent that was started with `--allow-faults`: its `description` says whether it was. */
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
  /** How long it lasts; not set: as long as the agent thinks fit. */
  readonly forMs?: number;
}

export type FaultOutcome = Body<FaultReply>;
