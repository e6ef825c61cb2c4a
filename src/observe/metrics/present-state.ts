/** The current state of an agent, as gauges. */
import { Gauge, type Registry } from 'prom-client';
import type { Overview } from '../../actors/agent/status.js';
import { agentState } from '../../protocol/fields.js';
import type { PeerRow } from '../../protocol/status-rows.js';

const MS_PER_SECOND = 1000;
/** Prometheus treats an empty label as a missing one. */
const NONE = 'none';

export class PresentState {
  readonly #agentState: Gauge<'state'>;
  readonly #uptime: Gauge;
  readonly #requests: Gauge<'side' | 'state'>;
  readonly #queue: Gauge;
  readonly #pages: Gauge<'state'>;
  readonly #reserved: Gauge;
  readonly #quarantineAge: Gauge;
  readonly #staging: Gauge<'state'>;
  readonly #segments: Gauge;
  readonly #sessions: Gauge;
  readonly #chunksInUse: Gauge;
  readonly #peers: Gauge<'side' | 'state' | 'provider'>;
  readonly #passedOver: Gauge<'peer' | 'provider' | 'passed_over'>;
  readonly #invariantBroken: Gauge;
  /** States seen so far. Their series go to 0 instead of vanishing. */
  readonly #requestStates = new Map<string, { readonly side: string; readonly state: string }>();
  readonly #peerStates = new Map<
    string,
    { readonly side: string; readonly state: string; readonly provider: string }
  >();

  constructor(registry: Registry) {
    const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>({ name, help, labelNames, registers: [registry] });
    this.#agentState = gauge('kvferry_agent_state', '1 for the current state of the agent, 0 for the others.', [
      'state',
    ]);
    this.#uptime = gauge('kvferry_uptime_seconds', 'Time since the start of the agent, on its own clock.');
    this.#requests = gauge(
      'kvferry_requests',
      'Requests in progress, by side and state of their machine. Ready requests at the receiver hold leases.',
      ['side', 'state'],
    );
    this.#queue = gauge('kvferry_admission_queue_requests', 'Requests that wait for pages.');
    this.#pages = gauge(
      'kvferry_arena_pages',
      'Arena pages by state: free, writing, leased, retained (ready, kept as cache), quarantined. Their sum is the size of the arena.',
      ['state'],
    );
    this.#reserved = gauge(
      'kvferry_arena_reserved_pages',
      'Free or retained pages that are reserved for admitted requests.',
    );
    this.#quarantineAge = gauge(
      'kvferry_quarantine_age_seconds',
      'Age of the oldest quarantined page; 0 if there is none.',
    );
    this.#staging = gauge('kvferry_staging_pages', 'Staging pages by state: free, lent, in_use.', ['state']);
    this.#sessions = gauge('kvferry_sessions', 'Open sessions of engines.');
    this.#segments = gauge('kvferry_source_segments', 'Source memory segments that engines have attached.');
    this.#chunksInUse = gauge(
      'kvferry_source_chunks_in_use',
      'Source memory chunks that the agent still reads or may read.',
    );
    this.#peers = gauge(
      'kvferry_peers',
      'Peers that exchange bytes with this agent, by side, state and provider (none: not connected).',
      ['side', 'state', 'provider'],
    );
    this.#passedOver = gauge(
      'kvferry_peer_provider_passed_over',
      '1 for each provider that was preferred for a receiver and not available.',
      ['peer', 'provider', 'passed_over'],
    );
    this.#invariantBroken = gauge(
      'kvferry_invariant_broken',
      '1 after the agent found a broken invariant in its store and fenced itself.',
    );
  }

  update(status: Overview): void {
    for (const state of agentState.options) this.#agentState.set({ state }, status.state === state ? 1 : 0);
    this.#uptime.set(status.uptimeMs / MS_PER_SECOND);
    this.#countRequests(status);
    this.#countPeers(status.peers);
    this.#queue.set(status.queued);
    this.#countPages(status);
    this.#segments.set(status.segmentsTotal);
    this.#sessions.set(status.sessions.filter(({ state }) => state === 'open').length);
    this.#chunksInUse.set(status.segments.reduce((sum, segment) => sum + segment.chunksInUse, 0));
    this.#invariantBroken.set((status.counters['invariants_broken'] ?? 0) > 0 ? 1 : 0);
  }

  #countRequests({ requestStates }: Overview): void {
    this.#requests.reset();
    for (const { side, state } of requestStates) this.#requestStates.set(`${side} ${state}`, { side, state });
    for (const labels of this.#requestStates.values()) this.#requests.set(labels, 0);
    for (const { side, state, count } of requestStates) this.#requests.set({ side, state }, count);
  }

  #countPeers(peers: readonly PeerRow[]): void {
    this.#peers.reset();
    this.#passedOver.reset();
    const labelled = peers.map(({ side, state, provider = NONE }) => ({ side, state, provider }));
    for (const labels of labelled) this.#peerStates.set(Object.values(labels).join(' '), labels);
    for (const labels of this.#peerStates.values()) this.#peers.set(labels, 0);
    for (const labels of labelled) this.#peers.inc(labels);
    for (const { agent: peer, side, state, provider, fallback } of peers) {
      // The sender chooses the provider. An earlier epoch of the receiver may still be listed as lost.
      if (side !== 'receiver' || provider === undefined || state === 'lost') continue;
      for (const row of fallback) this.#passedOver.set({ peer, provider, passed_over: providerOf(row) }, 1);
    }
  }

  #countPages({ pages, quarantineAgeMs, staging }: Overview): void {
    if (pages !== undefined) {
      const { free, writing, ready, retained, quarantined } = pages;
      const states = { free, writing, leased: ready - retained, retained, quarantined };
      for (const [state, count] of Object.entries(states)) this.#pages.set({ state }, count);
      this.#reserved.set(pages.reserved);
    }
    if (quarantineAgeMs !== undefined) this.#quarantineAge.set(quarantineAgeMs / MS_PER_SECOND);
    if (staging !== undefined) {
      const { free, lent, inUse } = staging;
      for (const [state, count] of Object.entries({ free, lent, in_use: inUse })) this.#staging.set({ state }, count);
    }
  }
}

/** `verbs: there is no device` → `verbs`. */
function providerOf(fallback: string): string {
  return fallback.slice(0, fallback.indexOf(':'));
}
