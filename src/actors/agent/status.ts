/** The answers of an agent to questions about itself. Reading them changes nothing. */
import type { Body } from '../../protocol/body.js';
import { defined } from '../../protocol/defined.js';
import type { DescribeReply, OperationReply, OperationRequest, RequestRow } from '../../protocol/operations.js';
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

/** Answers `status`: counts of pages, peers and counters, and at most `limit` requests. */
export function status(
  parts: AgentParts,
  { request, limit }: Omit<OperationRequest<'status'>, 'v'>,
): Body<OperationReply<'status'>> {
  const { env, sender, receiver } = parts;
  const { options, clock, counters, epoch } = env;
  const store = receiver?.store;
  const nowMs = clock.now();
  const rows = requestRows(parts, request);
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
    segments: sender?.memory.rows() ?? [],
    sessions: sender?.sessions.rows() ?? [],
    peers: [...(sender?.peerRows() ?? []), ...(receiver?.peerRows() ?? [])],
    requests: rows.slice(0, limit),
    requestsTotal: rows.length,
    counters: counters.toJSON(),
  });
}

/** Answers `inspect`: the running actors and, when asked for, the state of every page. */
export function inspect(parts: AgentParts, request: OperationRequest<'inspect'>): Body<OperationReply<'inspect'>> {
  const { env, receiver } = parts;
  const map = request.pages ? receiver?.store.details.pageMap() : undefined;
  return defined({
    ...clockReading(parts),
    role: env.options.role,
    state: parts.state(),
    ...inspectActors(env.actors, request),
    pages: map === undefined ? undefined : shownPageMap(map),
  });
}

/** Answers `journal`: the entries that the agent still keeps. */
export function journal(parts: AgentParts, request: OperationRequest<'journal'>): Body<OperationReply<'journal'>> {
  return { ...clockReading(parts), ...parts.env.journal.read(request) };
}

/** Answers `explain`: why a request, transfer, key or page is in its present state. */
export function explanations(parts: AgentParts, request: OperationRequest<'explain'>): Body<OperationReply<'explain'>> {
  const { clock, journal, actors } = parts.env;
  const store = parts.receiver?.store.details;
  const rows = (name: string) => requestRows(parts, name);
  const found = explain({ clock, journal, actors, store, rows }, request);
  return { ...clockReading(parts), explanations: found };
}

/** Requests of that name, live or ended; without a name all live ones. */
function requestRows({ sender, receiver }: AgentParts, request: string | undefined): RequestRow[] {
  return [...(sender?.rows(request) ?? []), ...(receiver?.rows(request) ?? [])];
}

/** The agent that answers, and the time on its clock. */
function clockReading({ env }: AgentParts): { agent: string; epoch: string; nowMs: number } {
  return { agent: env.options.agent, epoch: env.epoch, nowMs: env.clock.now() };
}
