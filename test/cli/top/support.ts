/** The status of two agents while a request is in progress. */
import type { AgentSample, Sample } from '../../../src/cli/top/sample.js';
import type { ActorRow } from '../../../src/protocol/observation.js';
import type { DescribeReply, StatusReply } from '../../../src/protocol/operations.js';
import type { RequestRow } from '../../../src/protocol/status-rows.js';

export const DECODE_EPOCH = '00000000000000dd';
export const PREFILL_EPOCH = '00000000000000aa';

const answer = { v: 2, ok: true } as const;

function description(agent: string, role: 'prefill' | 'decode'): DescribeReply {
  const epoch = role === 'decode' ? DECODE_EPOCH : PREFILL_EPOCH;
  return {
    ...answer,
    agent,
    epoch,
    role,
    state: 'running',
    version: '0.1.0',
    heartbeatMs: 1000,
    endpoints: [],
    unavailable: [],
  };
}

export function status(of: DescribeReply, more: Partial<StatusReply> = {}): StatusReply {
  const { agent, epoch, role, state } = of;
  const requests = more.requests ?? [];
  return {
    ...answer,
    ...{
      agent,
      epoch,
      role,
      state,
      uptimeMs: 60_000,
      queued: 0,
      segments: [],
      sessions: [],
      peers: [],
      counters: {},
      requests,
    },
    requestsTotal: requests.length,
    segmentsTotal: more.segments?.length ?? 0,
    sessionsTotal: 0,
    peersTotal: more.peers?.length ?? 0,
    ...more,
  };
}

export function requestRow(request: string, more: Partial<RequestRow> = {}): RequestRow {
  const epoch = PREFILL_EPOCH;
  return { request, epoch, side: 'sender', state: 'running.open', ageMs: 1500, batches: 1, chunks: 8, ...more };
}

export function actorRow(machine: ActorRow['machine'], request: string, more: Partial<ActorRow> = {}): ActorRow {
  return {
    machine,
    actor: `${machine} ${PREFILL_EPOCH}/${request}`,
    request,
    epoch: PREFILL_EPOCH,
    state: 'writing',
    paths: [],
    ageMs: 1500,
    inStateMs: 1000,
    context: {},
    ...more,
  };
}

export function agent(
  of: DescribeReply,
  at: number,
  more: Partial<StatusReply> = {},
  actors: ActorRow[] = [],
): AgentSample {
  return { description: of, status: status(of, more), statusMs: at, actors, silentMs: undefined };
}

export function sample(atMs: number, agents: readonly AgentSample[], isConnected = true): Sample {
  return { atMs, isConnected, agents };
}

export const d1 = description('d1', 'decode');
export const p1 = description('p1', 'prefill');
export const pages = { total: 128, free: 64, writing: 16, ready: 40, retained: 32, quarantined: 8, reserved: 4 };
const connected = {
  agent: 'd1',
  epoch: DECODE_EPOCH,
  side: 'receiver',
  state: 'connected and alive',
  provider: 'tcp',
  detail: 'libfabric net 1.17',
  fallback: ['same-host: cannot be reached', 'verbs: no device'],
} as const;

/** Two samples, two seconds apart. */
export const before = sample(1000, [
  agent(d1, 1000, { counters: { chunks_written: 100, requests_received_ready: 12, errors_unknown_request: 1 } }),
  agent(p1, 1000, { counters: { bytes_written: 1e9, requests_sent_ready: 10 } }),
]);
export const after = sample(3000, [
  agent(
    d1,
    3000,
    {
      counters: {
        chunks_written: 300,
        requests_received_ready: 20,
        requests_received_failed: 2,
        errors_unknown_request: 2,
        errors_stale_grant: 1,
      },
      pages,
      quarantineAgeMs: 2300,
      queued: 3,
      requests: [requestRow('r2', { side: 'receiver', state: 'running.waiting', chunks: 0, ageMs: 500 })],
    },
    [
      actorRow('ingest', 'r2', {
        waiting: { gate: 'admission', text: 'pages for its chunks', endsInMs: 119_000 },
      }),
    ],
  ),
  agent(
    p1,
    3000,
    {
      counters: { bytes_written: 6e9, requests_sent_ready: 20 },
      peers: [{ ...connected, fallback: [...connected.fallback] }],
      requests: [requestRow('r1', { ageMs: 75_000 }), requestRow('r2')],
    },
    [
      actorRow('request', 'r1', { waiting: { gate: 'engine', text: 'more batches' } }),
      actorRow('transfer', 'r1', { ageMs: 10, waiting: { gate: 'receiver', text: 'the answer of d1' } }),
      actorRow('transfer', 'r1', { ageMs: 20, waiting: { gate: 'fabric', text: 'the fabric to deliver 2 chunks' } }),
      actorRow('request', 'r2', { waiting: { gate: 'engine', text: 'more batches' } }),
    ],
  ),
]);
