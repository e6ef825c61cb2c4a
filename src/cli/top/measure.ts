/** Rates and waiting requests, from two samples. `--json` prints it as it is. */
import type { Role } from '../../protocol/fields.js';
import type { ActorRow, Waiting } from '../../protocol/observation.js';
import type { StatusReply } from '../../protocol/operations.js';
import type { RequestRow } from '../../protocol/status-rows.js';
import { type End, ends } from '../../protocol/subjects.js';
import type { AgentSample, Sample } from './sample.js';

const MS_PER_S = 1000;

/** Rates are per second; undefined until an agent has answered twice. */
export interface AgentMeasure {
  readonly agent: string;
  readonly epoch: string;
  readonly role: Role;
  readonly state: string;
  readonly silentMs?: number;
  /** Providers of its connections. */
  readonly providers: readonly string[];
  /** A connection uses a fallback: a preferred provider other than same-host was passed over. */
  readonly fallback: boolean;
  readonly writtenBytesPerS?: number;
  /** Chunks that got a new page. */
  readonly receivedChunksPerS?: number;
  readonly endsPerS?: number;
  readonly errorsPerS?: number;
  readonly pages?: StatusReply['pages'];
  readonly quarantineAgeMs: number;
  readonly queued: number;
  readonly requests: number;
}

export interface RequestMeasure {
  readonly agent: string;
  readonly request: string;
  readonly epoch: string;
  readonly side: RequestRow['side'];
  readonly state: string;
  readonly ageMs: number;
  readonly batches: number;
  readonly chunks: number;
  readonly waiting?: Waiting;
}

export interface Measure {
  readonly isConnected: boolean;
  readonly agents: readonly AgentMeasure[];
  /** Oldest first. An agent reports a limited number. */
  readonly requests: readonly RequestMeasure[];
  readonly totals: {
    readonly agents: number;
    readonly silent: number;
    readonly requests: number;
    readonly writtenBytesPerS: number;
    /** Counted at the receivers, which decide the end. */
    readonly endsPerS: Readonly<Record<End, number>>;
  };
}

export function measure(before: Sample | undefined, after: Sample): Measure {
  const earlier = new Map(before?.agents.map((agent) => [agent.description.agent, agent]));
  const measured = after.agents.map((agent) => {
    const rates = new Rates(earlier.get(agent.description.agent), agent);
    return { sample: agent, rates, row: measureAgent(agent, rates) };
  });
  const requests = after.agents.flatMap(measureRequests).toSorted((a, b) => b.ageMs - a.ageMs);
  const sum = (value: (rates: Rates) => number | undefined) =>
    measured.reduce((total, { rates }) => total + (value(rates) ?? 0), 0);
  return {
    isConnected: after.isConnected,
    agents: measured.map(({ row }) => row),
    requests,
    totals: {
      agents: measured.length,
      silent: measured.filter(({ row }) => row.silentMs !== undefined).length,
      requests: countRequests(after.agents, requests),
      writtenBytesPerS: sum((rates) => rates.of('bytes_written')),
      endsPerS: Object.fromEntries(
        ends.map((end) => [end, sum((rates) => rates.of(`requests_received_${end}`))]),
      ) as Readonly<Record<End, number>>,
    },
  };
}

/** Growth of the counters of one process, per second. */
class Rates {
  readonly #before: Readonly<Record<string, number>>;
  readonly #after: Readonly<Record<string, number>>;
  readonly #seconds: number;

  constructor(before: AgentSample | undefined, after: AgentSample) {
    const isSame = before?.status !== undefined && before.status.epoch === after.status?.epoch;
    this.#before = before?.status?.counters ?? {};
    this.#after = after.status?.counters ?? {};
    const elapsedMs = isSame && after.silentMs === undefined ? after.statusMs - before.statusMs : 0;
    this.#seconds = elapsedMs / MS_PER_S;
  }

  of(name: string): number | undefined {
    if (this.#seconds <= 0) return undefined;
    return ((this.#after[name] ?? 0) - (this.#before[name] ?? 0)) / this.#seconds;
  }

  /** The sum over all counters with this prefix. */
  ofAll(prefix: string): number | undefined {
    if (this.#seconds <= 0) return undefined;
    const names = Object.keys(this.#after).filter((name) => name.startsWith(prefix));
    return names.reduce((total, name) => total + (this.of(name) ?? 0), 0);
  }
}

function measureAgent({ description, status, silentMs }: AgentSample, rates: Rates): AgentMeasure {
  const { agent, role } = description;
  const peers = (status?.peers ?? []).filter(({ provider, state }) => provider !== undefined && state !== 'lost');
  const rate = <N extends string>(name: N, value: number | undefined) =>
    (value === undefined ? {} : { [name]: value }) as Partial<Record<N, number>>;
  return {
    agent,
    epoch: status?.epoch ?? description.epoch,
    role,
    state: status?.state ?? description.state,
    ...rate('silentMs', silentMs),
    providers: [...new Set(peers.map(({ provider }) => provider as string))].sort(),
    fallback: peers.some(({ fallback }) => fallback.some((passedOver) => !passedOver.startsWith('same-host:'))),
    ...(role === 'decode' ? {} : rate('writtenBytesPerS', rates.of('bytes_written'))),
    ...(role === 'prefill' ? {} : rate('receivedChunksPerS', rates.of('chunks_written'))),
    ...rate('endsPerS', role === 'decode' ? rates.ofAll('requests_received_') : rates.ofAll('requests_sent_')),
    ...rate('errorsPerS', rates.ofAll('errors_')),
    ...(status?.pages === undefined ? {} : { pages: status.pages }),
    quarantineAgeMs: status?.quarantineAgeMs ?? 0,
    queued: status?.queued ?? 0,
    requests: status?.requestsTotal ?? 0,
  };
}

function measureRequests({ status, actors, silentMs }: AgentSample): RequestMeasure[] {
  // The last report of a silent agent may be out of date.
  if (status === undefined || silentMs !== undefined) return [];
  const { agent } = status;
  const byRequest = new Map<string, ActorRow[]>();
  for (const actor of actors) {
    const name = `${actor.epoch}/${actor.request}`;
    byRequest.set(name, [...(byRequest.get(name) ?? []), actor]);
  }
  return status.requests
    .filter(({ end }) => end === undefined)
    .map(({ request, epoch, side, state, ageMs, batches = 0, chunks = 0 }) => {
      const waiting = waitingOf(side, byRequest.get(`${epoch}/${request}`) ?? []);
      const row = { agent, request, epoch, side, state, ageMs, batches, chunks };
      return waiting === undefined ? row : { ...row, waiting };
    });
}

/** For a sender, the wait of its oldest transfer: the request machine itself only waits for its transfers. */
function waitingOf(side: RequestRow['side'], actors: readonly ActorRow[]): Waiting | undefined {
  const machines = side === 'sender' ? (['transfer', 'request'] as const) : (['ingest', 'group'] as const);
  for (const machine of machines) {
    const waiting = actors
      .filter((actor) => actor.machine === machine && actor.waiting !== undefined)
      .toSorted((a, b) => b.ageMs - a.ageMs)[0]?.waiting;
    if (waiting !== undefined) return waiting;
  }
  return undefined;
}

/** Both agents of a request report it. It is counted once when every agent has reported all of its requests. */
function countRequests(agents: readonly AgentSample[], rows: readonly RequestMeasure[]): number {
  const heard = agents.filter(({ silentMs }) => silentMs === undefined);
  const known = heard.reduce((total, { status }) => total + (status?.requestsTotal ?? 0), 0);
  if (known <= rows.length) return new Set(rows.map(({ epoch, request }) => `${epoch}/${request}`)).size;
  const atSenders = heard.filter(({ description }) => description.role !== 'decode');
  return atSenders.reduce((total, { status }) => total + (status?.requestsTotal ?? 0), 0);
}
