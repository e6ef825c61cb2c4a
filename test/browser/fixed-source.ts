/** A source that shows exactly what a test gives it: states that a real cluster would have to be brought into. */
import type { AgentView, ClusterView, EntryView, SourceView } from '../../src/observe/inspector/feed.js';
import { History } from '../../src/observe/inspector/history/history.js';
import type { Source } from '../../src/observe/inspector/source.js';

const NOW_MS = Date.UTC(2026, 1, 3, 14, 0, 0);
const P_EPOCH = '1f0c83e2a94b7d56';
const D_EPOCH = '9b2e60d1c7f3a845';

export class FixedSource implements Source {
  readonly history = new History();
  readonly fault = undefined;
  #nowMs = NOW_MS;
  #n = 0;

  watch(): { close(): void } {
    return { close: () => undefined };
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  actors(): Promise<[]> {
    return Promise.resolve([]);
  }

  explain(): Promise<[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  show(agents: readonly AgentView[], source: Partial<SourceView> = {}): void {
    this.#nowMs += 500;
    const view: ClusterView = {
      timeMs: this.#nowMs,
      source: {
        kind: 'live',
        name: 'nats://10.0.0.5:4222',
        state: 'connected',
        fromMs: NOW_MS,
        toMs: this.#nowMs,
        oneIn: 1,
        missed: 0,
        faultsAllowed: false,
        ...source,
      },
      agents,
    };
    this.history.addCluster(view);
  }

  /** So many requests begin, are moved and end. */
  move(requests: number): void {
    const entries: EntryView[] = [];
    for (let index = 0; index < requests; index += 1) {
      const request = `load-${this.#n}`;
      const about = { request, epoch: P_EPOCH };
      this.#nowMs += 0.1;
      const add = (agent: string, agentEpoch: string, entry: object) => {
        this.#n += 1;
        const whole = { n: this.#n, atMs: this.#nowMs, ...about, ...entry } as EntryView['entry'];
        entries.push({ agent, agentEpoch, timeMs: this.#nowMs, entry: whole });
      };
      const state = (agent: string, epoch: string, machine: string, to: string, done = false) =>
        add(agent, epoch, { kind: 'state', machine, actor: `${machine} ${request}`, event: '', to, done });
      state('prefill-0', P_EPOCH, 'request', 'running.open');
      state('decode-0', D_EPOCH, 'ingest', 'running.receiving');
      add('decode-0', D_EPOCH, { kind: 'store', action: 'allocated', chunks: 4, keys: [] });
      state('decode-0', D_EPOCH, 'ingest', 'ready');
      add('decode-0', D_EPOCH, { kind: 'message', direction: 'out', operation: 'event.ready' });
      state('prefill-0', P_EPOCH, 'request', 'ended', true);
    }
    this.history.addEntries(entries);
  }
}

/** A decode agent whose arena has this map. */
export function decodeAgent(runs: string, total: number): AgentView {
  return {
    agent: 'decode-0',
    epoch: D_EPOCH,
    timeMs: NOW_MS,
    pages: runs,
    rates: { bytesPerS: 0, chunksPerS: 812, requestsPerS: 31 },
    description: {
      v: 2,
      ok: true,
      agent: 'decode-0',
      epoch: D_EPOCH,
      role: 'decode',
      state: 'running',
      version: '0.1.0',
      ...{ heartbeatMs: 1000, endpoints: [{ provider: 'tcp', detail: 'over eth0', address: 'x' }] },
      unavailable: [{ provider: 'verbs', reason: 'no RDMA device' }],
      arena: { path: '/dev/shm/x', epoch: D_EPOCH, pageBytes: 3_145_728, pages: total },
    },
    status: {
      v: 2,
      ok: true,
      agent: 'decode-0',
      epoch: D_EPOCH,
      role: 'decode',
      state: 'running',
      uptimeMs: 81_000,
      pages: { total, free: total, writing: 0, ready: 0, quarantined: 0, reserved: 0, retained: 0 },
      ...{ quarantineAgeMs: 0, queued: 0, segments: [], segmentsTotal: 0, sessions: [], sessionsTotal: 0 },
      ...{ peers: [], peersTotal: 0, requests: [], requestsTotal: 0, counters: {} },
    },
  };
}
