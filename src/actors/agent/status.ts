/** The answers of an agent to questions about itself. Reading them changes nothing. */
import type { Body } from '../../protocol/body.js';
import { defined } from '../../protocol/defined.js';
import { fitting } from '../../protocol/message-room.js';
import {
  type DescribeReply,
  type OperationReply,
  type OperationRequest,
  type RequestRow,
  statusLists,
} from '../../protocol/operations.js';
import { explain } from '../observing/explain/explain.js';
import { inspectActors, shownPageMap } from '../observing/inspection.js';
import type { AgentParts } from './agent-parts.js';

/** Answers `describe`: which agent this is, and how others reach its memory. */
export function describe(parts: AgentParts): Body<DescribeReply> {
  const { env, sender, receiver, version } = parts;
  const { options, fabric, epoch } = env;
  return defined({
    agent: options.agent,
    epoch,
    role: options.role,
    state: parts.state(),
    version,
    heartbeatMs: options.heartbeatMs,
    faultsAllowed: options.faultsAllowed ? (true as const) : undefined,
    endpoints: [...fabric.endpoints()],
    unavailable: [...fabric.unavailable()],
    arena: receiver?.description(),
    staging: sender?.memory.staging,
  });
}

/** What an answer takes apart from its lists. */
const FRAME_BYTES = 1024;

type StatusQuery = Omit<OperationRequest<'status'>, 'v'>;

/** The parts of a message that the lists of a `status` reply may take. The rest is for its counts and counters. */
const LIST_SHARES = { segments: 0.2, sessions: 0.1, peers: 0.2, requests: 0.4 } as const;

/** No row of a request takes less. */
const REQUEST_BYTES_MIN = 100;

/** Answers `status`: counts of pages, requests and counters, and at most `limit` rows of each list. */
export function status(parts: AgentParts, query: StatusQuery): Body<OperationReply<'status'>> {
  return statusWithin(parts, query, parts.env.control.messageBytesMax);
}

/** What the agent's own metrics show: every segment, session and peer, and of the requests only their number in each state. */
export interface Overview extends Body<OperationReply<'status'>> {
  readonly requestStates: readonly {
    readonly side: RequestRow['side'];
    readonly state: string;
    readonly count: number;
  }[];
}

/** No message carries it. */
export function overview(parts: AgentParts): Overview {
  const unbounded = Number.POSITIVE_INFINITY;
  const lists = statusLists.filter((list) => list !== 'requests');
  const { states } = parts.env.actors;
  const rowsOf = (side: RequestRow['side'], machine: 'request' | 'ingest') =>
    [...states.of(machine)].map(([state, count]) => ({ side, state, count }));
  const requestStates = [...rowsOf('sender', 'request'), ...rowsOf('receiver', 'ingest')];
  return { ...statusWithin(parts, { limit: unbounded, lists }, unbounded), requestStates };
}

function statusWithin(
  parts: AgentParts,
  { request, segment, lists = [...statusLists], limit }: StatusQuery,
  bytesMax: number,
): Body<OperationReply<'status'>> {
  const { env, sender, receiver } = parts;
  const { options, clock, counters, epoch } = env;
  const store = receiver?.store;
  const nowMs = clock.now();
  const most = lists.includes('requests') ? Math.min(limit, (LIST_SHARES.requests * bytesMax) / REQUEST_BYTES_MIN) : 0;
  const rows = request === undefined ? firstRequests(parts, most) : requestRows(parts, request);
  const segments = (sender?.memory.rows() ?? []).filter((row) => segment === undefined || row.segment === segment);
  const sessions = sender?.sessions.rows() ?? [];
  const peers = [...(sender?.peerRows() ?? []), ...(receiver?.peerRows() ?? [])];
  const shown = <Row>(list: (typeof statusLists)[number], all: readonly Row[]) =>
    lists.includes(list) ? fitting(all, limit, LIST_SHARES[list] * bytesMax) : [];
  return defined({
    agent: options.agent,
    epoch,
    role: options.role,
    state: parts.state(),
    uptimeMs: Math.round(nowMs - parts.startedMs),
    pages: store?.pageCounts(),
    quarantineAgeMs: store === undefined ? undefined : Math.round(store.quarantineAgeMs(nowMs)),
    queued: store?.waiting ?? 0,
    staging: sender?.memory.stagingCounts(),
    segments: shown('segments', segments),
    segmentsTotal: segments.length,
    sessions: shown('sessions', sessions),
    sessionsTotal: sessions.length,
    peers: shown('peers', peers),
    peersTotal: peers.length,
    requests: shown('requests', rows),
    requestsTotal: request === undefined ? (sender?.size ?? 0) + (receiver?.requests.size ?? 0) : rows.length,
    counters: counters.toJSON(),
  });
}

/** Answers `lookup`: which prefix of a prompt the arena has, and how much this agent has to do. */
export function lookup(parts: AgentParts, { keys }: OperationRequest<'lookup'>): Body<OperationReply<'lookup'>> {
  const { env, sender, receiver } = parts;
  return defined({
    agent: env.options.agent,
    epoch: env.epoch,
    role: env.options.role,
    state: parts.state(),
    ...(receiver?.store.details.prefix(keys) ?? { held: 0, expected: 0 }),
    pages: receiver?.store.pageCounts(),
    queued: receiver?.store.waiting ?? 0,
    requests: (sender?.size ?? 0) + (receiver?.requests.size ?? 0),
  });
}

/** Answers `inspect`: the running actors and, when asked for, the state of every page. */
export function inspect(parts: AgentParts, request: OperationRequest<'inspect'>): Body<OperationReply<'inspect'>> {
  const { env, receiver } = parts;
  const bytesMax = env.control.messageBytesMax;
  const map = request.pages ? receiver?.store.details.pageMap() : undefined;
  return defined({
    ...clockReading(parts),
    role: env.options.role,
    state: parts.state(),
    ...inspectActors(env.actors, request, bytesMax),
    pages: map === undefined ? undefined : shownPageMap(map, bytesMax),
  });
}

/** Answers `journal`: the entries that the agent still keeps. */
export function journal(parts: AgentParts, request: OperationRequest<'journal'>): Body<OperationReply<'journal'>> {
  const { journal: kept, control } = parts.env;
  return { ...clockReading(parts), ...kept.read({ ...request, bytesMax: control.messageBytesMax - FRAME_BYTES }) };
}

/** Answers `explain`: why a request, transfer, key or page is in its present state. */
export function explanations(parts: AgentParts, request: OperationRequest<'explain'>): Body<OperationReply<'explain'>> {
  const { clock, journal, actors, control } = parts.env;
  const store = parts.receiver?.store.details;
  const rows = (name: string) => requestRows(parts, name);
  const found = explain({ clock, journal, actors, store, rows }, request, control.messageBytesMax - FRAME_BYTES);
  return { ...clockReading(parts), explanations: found };
}

/** The first live requests. The rows of others are not made. */
function firstRequests({ sender, receiver }: AgentParts, limit: number): RequestRow[] {
  const sent = sender?.firstRows(limit) ?? [];
  return [...sent, ...(receiver?.requests.firstRows(limit - sent.length) ?? [])];
}

/** Requests of that name, live or ended. */
function requestRows({ sender, receiver }: AgentParts, request: string): RequestRow[] {
  return [...(sender?.rows(request) ?? []), ...(receiver?.requests.rows(request) ?? [])];
}

/** The agent that answers, and the time on its clock. */
function clockReading({ env }: AgentParts): { agent: string; epoch: string; nowMs: number } {
  return { agent: env.options.agent, epoch: env.epoch, nowMs: env.clock.now() };
}
