/** What an agent is and has at this moment, as gauges. */
import { Gauge, type Registry } from 'prom-client';
import type { Body } from '../../protocol/body.js';
import { agentState } from '../../protocol/fields.js';
import type { PeerRow, StatusReply } from '../../protocol/operations.js';

/** What `status` says, with every request. */
export type AgentStatus = Body<StatusReply>;

const MS_PER_SECOND = 1000;
/** A label without a value would be as good as missing. */
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
  readonly #chunksInUse: Gauge;
  readonly #peers: Gauge<'side' | 'state' | 'provider'>;
  readonly #passedOver: Gauge<'peer' | 'provider' | 'passed_over'>;
  readonly #invariantBroken: Gauge;
  /** States that requests and peers were seen in: they are 0 from then on, and do not vanish. */
  readonly #requestStates = new Map<string, { readonly side: string; readonly state: string }>();
  readonly #peerStates = new Map<
    string,
    { readonly side: string; readonly state: string; readonly provider: string }
  >();

  constructor(registry: Registry) {
    const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>({ name, help, labelNames, registers: [registry] });
    this.#agentState = gauge('kvferry_agent_state', '1 for the state that the agent is in, 0 for the others.', [
      'state',
    ]);
    this.#uptime = gauge('kvferry_uptime_seconds', 'Time since the agent was started, on its own clock.');
    this.#requests = gauge(
      'kvferry_requests',
      'Requests that are known and not over, by side and state of their machine. At the receiver those that are ready hold leases.',
      ['side', 'state'],
    );
    this.#queue = gauge('kvferry_admission_queue_requests', 'Requests that wait for pages.');
    this.#pages = gauge(
      'kvferry_arena_pages',
      'Pages of the arena, by state: free, writing, leased, retained (ready, kept as cache), quarantined. They add up to all.',
      ['state'],
    );
    this.#reserved = gauge(
      'kvferry_arena_reserved_pages',
      'Pages, free or retained, that are promised to admitted requests.',
    );
    this.#quarantineAge = gauge(
      'kvferry_quarantine_age_seconds',
      'How long the page that is quarantined longest has been so; 0 without any.',
    );
    this.#staging = gauge('kvferry_staging_pages', 'Staging pages, by state: free, lent, in_use.', ['state']);
    this.#segments = gauge('kvferry_source_segments', 'Segments of source memory that engines have attached.');
    this.#chunksInUse = gauge('kvferry_source_chunks_in_use', 'Chunks of source memory that are still to be read.');
    this.#peers = gauge(
      'kvferry_peers',
      'Agents that this one exchanges bytes with, by what they are to it, state, and provider (none: not connected).',
      ['side', 'state', 'provider'],
    );
    this.#passedOver = gauge(
      'kvferry_peer_provider_passed_over',
      '1 for each provider that was preferred for a receiver and could not be had, beside the one in use.',
      ['peer', 'provider', 'passed_over'],
    );
    this.#invariantBroken = gauge(
      'kvferry_invariant_broken',
      '1 when an invariant of the store was found broken, and the agent has fenced itself.',
    );
  }

  update(status: AgentStatus): void {
    for (const state of agentState.options) this.#agentState.set({ state }, status.state === state ? 1 : 0);
    this.#uptime.set(status.uptimeMs / MS_PER_SECOND);
    this.#countRequests(status);
    this.#countPeers(status.peers);
    this.#queue.set(status.queued);
    this.#countPages(status);
    this.#segments.set(status.segments.length);
    this.#chunksInUse.set(status.segments.reduce((sum, segment) => sum + segment.chunksInUse, 0));
    this.#invariantBroken.set((status.counters['invariants_broken'] ?? 0) > 0 ? 1 : 0);
  }

  #countRequests({ requests }: AgentStatus): void {
    this.#requests.reset();
    for (const { side, state } of requests) this.#requestStates.set(`${side} ${state}`, { side, state });
    for (const labels of this.#requestStates.values()) this.#requests.set(labels, 0);
    for (const { side, state } of requests) this.#requests.inc({ side, state });
  }

  #countPeers(peers: readonly PeerRow[]): void {
    this.#peers.reset();
    this.#passedOver.reset();
    const labelled = peers.map(({ side, state, provider = NONE }) => ({ side, state, provider }));
    for (const labels of labelled) this.#peerStates.set(Object.values(labels).join(' '), labels);
    for (const labels of this.#peerStates.values()) this.#peers.set(labels, 0);
    for (const labels of labelled) this.#peers.inc(labels);
    for (const { agent: peer, side, state, provider, fallback } of peers) {
      // It is the sender that chooses. An earlier epoch of the same agent may still be known as lost.
      if (side !== 'receiver' || provider === undefined || state === 'lost') continue;
      for (const row of fallback) this.#passedOver.set({ peer, provider, passed_over: providerOf(row) }, 1);
    }
  }

  #countPages({ pages, quarantineAgeMs, staging }: AgentStatus): void {
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
