/** The answers of an agent to questions about itself. Reading them changes nothing. */
import type { Body } from '../../protocol/body.js';
import { defined } from '../../protocol/defined.js';
import { invalidField } from '../../protocol/errors.js';
import { fitting } from '../../protocol/message-room.js';
import {
  type DescribeReply,
  type OperationReply,
  type OperationRequest,
  statusLists,
} from '../../protocol/operations.js';
import type { RequestRow } from '../../protocol/status-rows.js';
import { ALL_TENANTS, fullKey, fullKeys, fullName, isOf } from '../../protocol/tenants.js';
import { keySpaceOf } from '../env/key-space.js';
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

/**
 * Answers `status`: counts of pages, requests and counters, and at most `limit` rows of each list. A tenant gets its own rows, and
 * neither peers nor counters, which are about all tenants.
 */
export function status(parts: AgentParts, query: StatusQuery, tenant: string): Body<OperationReply<'status'>> {
  return statusWithin(parts, query, tenant, parts.env.control.messageBytesMax);
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
  return { ...statusWithin(parts, { limit: unbounded, lists }, ALL_TENANTS, unbounded), requestStates };
}

function statusWithin(
  parts: AgentParts,
  { request, segment, lists = [...statusLists], limit }: StatusQuery,
  tenant: string,
  bytesMax: number,
): Body<OperationReply<'status'>> {
  const { env, sender, receiver } = parts;
  const { options, clock, counters, epoch } = env;
  const store = receiver?.store;
  const nowMs = clock.now();
  const most = lists.includes('requests') ? Math.min(limit, (LIST_SHARES.requests * bytesMax) / REQUEST_BYTES_MIN) : 0;
  const rows = request === undefined ? firstRequests(parts, most, tenant) : requestRows(parts, request);
  const isMeant = (name: string) => isOf(tenant, name) && (segment === undefined || name === segment);
  const segments = (sender?.memory.rows() ?? []).filter((row) => isMeant(row.segment));
  const sessions = (sender?.sessions.rows() ?? []).filter(({ session }) => isOf(tenant, session));
  const isOperator = tenant === ALL_TENANTS;
  const peers = isOperator ? [...(sender?.peerRows() ?? []), ...(receiver?.peerRows() ?? [])] : [];
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
    requestsTotal: request === undefined ? countRequests(parts, tenant) : rows.length,
    counters: isOperator ? counters.toJSON() : {},
  });
}

/** Answers `lookup`: which prefix of a prompt the arena has, and how much this agent has to do. */
export function lookup(
  parts: AgentParts,
  query: OperationRequest<'lookup'>,
  tenant: string,
): Body<OperationReply<'lookup'>> {
  const { env, sender, receiver } = parts;
  const keys = fullKeys(keySpaceOf(env.options, tenant), query.keys);
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
export function inspect(
  parts: AgentParts,
  request: OperationRequest<'inspect'>,
  tenant: string,
): Body<OperationReply<'inspect'>> {
  const { env, receiver } = parts;
  const bytesMax = env.control.messageBytesMax;
  const map = request.pages && tenant === ALL_TENANTS ? receiver?.store.details.pageMap() : undefined;
  return defined({
    ...clockReading(parts),
    role: env.options.role,
    state: parts.state(),
    ...inspectActors(env.actors, request, bytesMax, tenant),
    pages: map === undefined ? undefined : shownPageMap(map, bytesMax),
  });
}

/** Answers `journal`: the entries that the agent still keeps. */
export function journal(
  parts: AgentParts,
  request: OperationRequest<'journal'>,
  tenant: string,
): Body<OperationReply<'journal'>> {
  const { journal: kept, control } = parts.env;
  const bytesMax = control.messageBytesMax - FRAME_BYTES;
  return { ...clockReading(parts), ...kept.read({ ...request, tenant, bytesMax }) };
}

/** Answers `explain`: why a request, transfer, key or page is in its present state. */
export function explanations(
  parts: AgentParts,
  request: OperationRequest<'explain'>,
  tenant: string,
): Body<OperationReply<'explain'>> {
  const { clock, journal, actors, control, options } = parts.env;
  const store = parts.receiver?.store.details;
  const rows = (name: string) => requestRows(parts, name);
  const query = tenant === ALL_TENANTS ? request : ownQuery(request, tenant, keySpaceOf(options, tenant));
  const found = explain({ clock, journal, actors, store, rows }, query, control.messageBytesMax - FRAME_BYTES);
  const shown = found.map((one) => ({ ...one, holders: one.holders.filter((row) => isOf(tenant, row.request)) }));
  return { ...clockReading(parts), explanations: shown };
}

/** What a tenant may ask about. A page may hold a chunk of any tenant. */
function ownQuery(query: OperationRequest<'explain'>, tenant: string, space: string): OperationRequest<'explain'> {
  const { transfer, key, page } = query;
  if (page !== undefined) throw invalidField('page', 'pages belong to all tenants: ask about a key or a request');
  const [epoch = '', ...name] = transfer?.split('/') ?? [];
  return {
    ...query,
    ...defined({
      transfer: transfer && `${epoch}/${fullName(tenant, name.join('/'), 'transfer')}`,
      key: key && fullKey(space, key),
    }),
  };
}

/** The first live requests of a tenant. The rows of others are not made. */
function firstRequests({ sender, receiver }: AgentParts, limit: number, tenant: string): RequestRow[] {
  const sent = sender?.firstRows(limit, tenant) ?? [];
  return [...sent, ...(receiver?.requests.firstRows(limit - sent.length, tenant) ?? [])];
}

function countRequests({ sender, receiver }: AgentParts, tenant: string): number {
  if (tenant === ALL_TENANTS) return (sender?.size ?? 0) + (receiver?.requests.size ?? 0);
  return (sender?.countOf(tenant) ?? 0) + (receiver?.requests.countOf(tenant) ?? 0);
}

/** Requests of that name, live or ended. */
function requestRows({ sender, receiver }: AgentParts, request: string): RequestRow[] {
  return [...(sender?.rows(request) ?? []), ...(receiver?.requests.rows(request) ?? [])];
}

/** The agent that answers, and the time on its clock. */
function clockReading({ env }: AgentParts): { agent: string; epoch: string; nowMs: number } {
  return { agent: env.options.agent, epoch: env.epoch, nowMs: env.clock.now() };
}
