/** Metrics of agents on a simulated clock: every value is known. */
import { readdirSync, readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import type { Agent } from '../../../src/actors/agent/agent-actor.js';
import { AgentCounts } from '../../../src/observe/metrics/agent-counts.js';
import { AgentMetrics } from '../../../src/observe/metrics/agent-metrics.js';
import { errorCodes } from '../../../src/protocol/errors.js';
import type { Role } from '../../../src/protocol/fields.js';
import { type Cluster, useCluster } from '../../actors/support.js';
import { parseSamples, promtool, promtoolMissing, type Sample, valuesOf } from '../../support/prometheus-text.js';
import { RecordedCluster } from '../replay/support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];

class Watched {
  readonly #agent: Agent;
  readonly #metrics: AgentMetrics;

  constructor(agent: Agent, name: string, role: Role) {
    this.#agent = agent;
    this.#metrics = new AgentMetrics({ agent: name, role, version: '1.2.3' });
    this.#metrics.natsChanged('connected');
    agent.journal.onEvent((event) => this.#metrics.observe(event));
  }

  async text(): Promise<string> {
    return this.#metrics.render(this.#agent.overview());
  }

  async samples(): Promise<Sample[]> {
    return parseSamples(await this.text());
  }

  async values(name: string): Promise<Record<string, number>> {
    return valuesOf(await this.samples(), name);
  }
}

async function watchedCluster(options: Parameters<Cluster['agent']>[2] = {}) {
  const made = clusters.create();
  const decode = new Watched(await made.agent('decode-0', 'decode', options), 'decode-0', 'decode');
  const prefill = new Watched(await made.agent('prefill-0', 'prefill', options), 'prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return { made, decode, prefill };
}

/** Only what has happened. */
function notZero(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0));
}

describe('requests', () => {
  test('are counted on both sides, by end and code', async () => {
    const { made, decode, prefill } = await watchedCluster();
    await made.put('prefill-0', 'good', ['k0']);
    await made.ended('good');
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'cancelled', ['k1'], { first: 1 });
    await made.clock.until(() => writes.held > 0);
    await made.call('decode-0', 'cancel', { request: 'cancelled' });
    await made.ended('cancelled');
    writes.release();
    await made.clock.advance(5000);
    const ended = (side: string) => ({
      [`side=${side} end=ready code=none`]: 1,
      [`side=${side} end=cancelled code=cancelled_by_caller`]: 1,
    });
    expect(notZero(await decode.values('kvferry_requests_ended_total'))).toEqual(ended('receiver'));
    expect(notZero(await prefill.values('kvferry_requests_ended_total'))).toEqual(ended('sender'));
    expect(await prefill.values('kvferry_transfers_ended_total')).toEqual({
      'end=committed code=none': 1,
      'end=aborted code=cancelled_by_caller': 1,
    });
  });

  test('that an actor threw for have failed, once', async () => {
    const { made, prefill } = await watchedCluster();
    made.fabrics.throwOnNextWrite(new TypeError('a bug'));
    await made.put('prefill-0', 'broken', ['k0']);
    await made.ended('broken');
    await made.clock.advance(5000);
    expect(notZero(await prefill.values('kvferry_requests_ended_total'))).toEqual({
      'side=sender end=failed code=internal': 1,
    });
    expect(notZero(await prefill.values('kvferry_transfers_ended_total'))).toEqual({ 'end=aborted code=internal': 1 });
    expect(await prefill.values('kvferry_actors_crashed_total')).toEqual({ '': 1 });
  });

  test('are shown by state, and a state that was left is 0', async () => {
    const { made, decode } = await watchedCluster();
    const writes = made.fabrics.holdWrites();
    const { epoch } = await made.put('prefill-0', 'r', ['k0']);
    await made.clock.until(() => writes.held > 0);
    expect(await decode.values('kvferry_requests')).toEqual({ 'side=receiver state=running.receiving': 1 });
    writes.release();
    await made.ended('r');
    expect(await decode.values('kvferry_requests')).toEqual({
      'side=receiver state=running.receiving': 0,
      'side=receiver state=ready': 1,
    });
    await made.call('decode-0', 'release', { request: 'r', epoch });
    expect(await decode.values('kvferry_requests')).toEqual({
      'side=receiver state=running.receiving': 0,
      'side=receiver state=ready': 0,
    });
    expect(await decode.values('kvferry_leases_ended_total')).toEqual({ 'cause=released': 1, 'cause=expired': 0 });
  });
});

describe('times', () => {
  test('a write that takes two seconds is two seconds of that phase, and of put to ready', async () => {
    const { made, decode, prefill } = await watchedCluster();
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'r', ['k0']);
    await made.clock.until(() => writes.held > 0);
    await made.clock.advance(2000);
    writes.release();
    await made.ended('r');
    await made.clock.advance(1000);
    const samples = await prefill.samples();
    expect(valuesOf(samples, 'kvferry_transfer_phase_duration_seconds_count')).toEqual({
      'phase=allocate': 1,
      'phase=write': 1,
      'phase=commit': 1,
      'phase=join': 0,
      'phase=drain': 0,
    });
    expect(valuesOf(samples, 'kvferry_transfer_phase_duration_seconds_sum')['phase=write']).toBeCloseTo(2, 1);
    expect(valuesOf(samples, 'kvferry_request_duration_seconds_count')).toMatchObject({ 'side=sender end=ready': 1 });
    expect(valuesOf(samples, 'kvferry_request_duration_seconds_sum')['side=sender end=ready']).toBeCloseTo(2, 1);
    const buckets = valuesOf(samples, 'kvferry_request_duration_seconds_bucket');
    expect(buckets['le=1 side=sender end=ready']).toBe(0);
    expect(buckets['le=2.5 side=sender end=ready']).toBe(1);
    const ready = (await decode.values('kvferry_request_duration_seconds_sum'))['side=receiver end=ready'];
    expect(ready).toBeCloseTo(2, 1);
  });

  test('a request that waits for pages is in the queue, and its wait is measured', async () => {
    const { made, decode } = await watchedCluster({ arena: { directory: '/memory', pages: 2, pageBytes: 64 } });
    const first = await made.put('prefill-0', 'first', ['k0', 'k1']);
    await made.ended('first');
    await made.put('prefill-0', 'second', ['k2'], { first: 2 });
    await made.clock.advance(3000);
    expect(await decode.values('kvferry_admission_queue_requests')).toEqual({ '': 1 });
    await made.call('decode-0', 'release', { request: 'first', epoch: first.epoch });
    await made.ended('second');
    const samples = await decode.samples();
    expect(valuesOf(samples, 'kvferry_admission_queue_requests')).toEqual({ '': 0 });
    expect(valuesOf(samples, 'kvferry_admission_wait_duration_seconds_count')).toEqual({ '': 2 });
    expect(valuesOf(samples, 'kvferry_admission_wait_duration_seconds_sum')['']).toBeCloseTo(3, 1);
    expect(valuesOf(samples, 'kvferry_batches_queued_total')).toEqual({ '': 1 });
  });

  test('times of messages have labels for direction and operation, known ones only', async () => {
    const { made, decode, prefill } = await watchedCluster();
    await made.put('prefill-0', 'r', ['k0']);
    await made.ended('r');
    for (const operation of ['dance', 'acquire']) {
      const subject = `kvferry.v2.agent.decode-0.default.${operation}`;
      await made.settle(made.client.request(subject, '{"v":2}', { timeoutMs: 1000 }));
    }
    const answered = Object.keys(await decode.values('kvferry_message_duration_seconds_count'));
    expect(answered.filter((labels) => labels.startsWith('direction=in')).sort()).toEqual([
      'direction=in operation=acquire',
      'direction=in operation=allocate',
      'direction=in operation=commit',
      'direction=in operation=connect',
      'direction=in operation=unknown',
    ]);
    expect(notZero(await decode.values('kvferry_errors_total'))).toEqual({
      'code=unknown_operation': 1,
      'code=invalid_field': 1,
    });
    expect(await decode.values('kvferry_messages_refused_total')).toEqual({ '': 2 });
    const asked = await prefill.values('kvferry_message_duration_seconds_count');
    expect(asked).toMatchObject({ 'direction=out operation=allocate': 1, 'direction=out operation=commit': 1 });
    expect(await prefill.values('kvferry_peer_call_errors_total')).toEqual({});
  });

  test('a message that another agent refuses is counted by operation and code', async () => {
    const { made, prefill } = await watchedCluster();
    await made.put('prefill-0', 'large', keys, { totalChunks: 9, last: false });
    await made.ended('large');
    expect(await prefill.values('kvferry_peer_call_errors_total')).toEqual({
      'operation=allocate code=request_too_large': 1,
    });
  });
});

describe('the arena', () => {
  test('pages add up to the arena, by the kind of their owner', async () => {
    const { made, decode } = await watchedCluster({ retainedMax: 8 });
    const { epoch } = await made.put('prefill-0', 'cached', ['k0']);
    await made.ended('cached');
    await made.call('decode-0', 'release', { request: 'cached', epoch });
    await made.put('prefill-0', 'leased', ['k1', 'k2'], { first: 1 });
    await made.ended('leased');
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'writing', ['k3'], { first: 3 });
    await made.clock.until(() => writes.held > 0);
    expect(await decode.values('kvferry_arena_pages')).toEqual({
      'state=free': 4,
      'state=writing': 1,
      'state=leased': 2,
      'state=retained': 1,
      'state=quarantined': 0,
    });
    await made.call('decode-0', 'cancel', { request: 'writing' });
    await made.ended('writing');
    await made.clock.advance(1500);
    const samples = await decode.samples();
    expect(valuesOf(samples, 'kvferry_arena_pages')).toMatchObject({ 'state=writing': 0, 'state=quarantined': 1 });
    expect(valuesOf(samples, 'kvferry_quarantine_age_seconds')['']).toBeCloseTo(1.5, 0);
    writes.release();
    await made.clock.advance(2000);
    expect(await decode.values('kvferry_quarantine_age_seconds')).toEqual({ '': 0 });
  });

  test('ready chunks and joined chunks have separate counts', async () => {
    const { made, decode, prefill } = await watchedCluster();
    await made.put('prefill-0', 'first', ['k0']);
    await made.ended('first');
    const writes = made.fabrics.holdWrites();
    await made.put('prefill-0', 'writer', ['k1'], { first: 1 });
    await made.clock.until(() => writes.held > 0);
    await made.put('prefill-0', 'sharer', ['k0', 'k1'], { first: 0 });
    await made.clock.advance(500);
    writes.release();
    await made.ended('sharer');
    expect(await decode.values('kvferry_chunks_allocated_total')).toEqual({
      'outcome=written': 2,
      'outcome=joined': 1,
      'outcome=ready': 1,
    });
    expect(await prefill.values('kvferry_written_bytes_total')).toEqual({ '': 128 });
    expect((await prefill.values('kvferry_transfer_phase_duration_seconds_count'))['phase=join']).toBe(1);
  });

  test('an agent that does not receive has no arena to speak of', async () => {
    const { prefill } = await watchedCluster();
    expect(await prefill.values('kvferry_arena_pages')).toEqual({});
    expect(await prefill.values('kvferry_staging_pages')).toEqual({
      'state=free': 4,
      'state=lent': 0,
      'state=in_use': 0,
    });
  });
});

describe('peers', () => {
  test('are counted by state and provider, and one that is gone no more', async () => {
    const made = clusters.create();
    const decode = new Watched(await made.agent('decode-0', 'decode'), 'decode-0', 'decode');
    const agent = await made.agent('prefill-0', 'prefill');
    const prefill = new Watched(agent, 'prefill-0', 'prefill');
    await made.segment('prefill-0', 'engine', keys);
    await made.put('prefill-0', 'r', ['k0']);
    await made.ended('r');
    const connected = 'side=receiver state=connected and alive provider=memory';
    expect(await prefill.values('kvferry_peers')).toEqual({ [connected]: 1 });
    const sender = 'side=sender state=connected and alive provider=memory';
    expect(await decode.values('kvferry_peers')).toEqual({ [sender]: 1 });
    expect(await prefill.values('kvferry_peer_provider_passed_over')).toEqual({});
    made.kill(agent);
    await made.clock.advance(5000);
    expect((await decode.values('kvferry_peers'))[sender]).toBe(0);
    expect(await decode.values('kvferry_peers_lost_total')).toEqual({ 'side=sender': 1, 'side=receiver': 0 });
  });

  test('providers that were passed over are named, as long as the peer is there', async () => {
    const { made, prefill } = await watchedCluster({ providers: ['verbs', 'memory'] });
    await made.put('prefill-0', 'r', ['k0']);
    await made.ended('r');
    expect(await prefill.values('kvferry_peer_provider_passed_over')).toEqual({
      'peer=decode-0 provider=memory passed_over=verbs': 1,
    });
    expect(await prefill.values('kvferry_provider_fallbacks_total')).toEqual({ '': 1 });
  });
});

describe('an agent', () => {
  test('says what it is, on every series', async () => {
    const { decode } = await watchedCluster();
    const samples = await decode.samples();
    expect(samples.filter(({ labels }) => labels['agent'] !== 'decode-0' || labels['role'] !== 'decode')).toEqual([]);
    expect(notZero(valuesOf(samples, 'kvferry_agent_state'))).toEqual({ 'state=running': 1 });
    expect(valuesOf(samples, 'kvferry_nats_connected')).toEqual({ '': 1 });
    expect(valuesOf(samples, 'kvferry_invariant_broken')).toEqual({ '': 0 });
    expect(valuesOf(samples, 'kvferry_build_info')).toEqual({ [`version=1.2.3 node=${process.version}`]: 1 });
    expect(samples.filter(({ name }) => name === 'nodejs_eventloop_lag_p99_seconds')).toHaveLength(1);
  });

  test('that has lost an invariant says so as long as it can be asked', async () => {
    const metrics = new AgentMetrics({ agent: 'decode-0', role: 'decode', version: '1.2.3' });
    const { made } = await watchedCluster();
    const { counters, ...status } = await made.status('decode-0');
    const broken = { ...status, state: 'fencing' as const, counters: { ...counters, invariants_broken: 1 } };
    const text = await metrics.render({ ...broken, requestStates: [] });
    const samples = parseSamples(text);
    expect(valuesOf(samples, 'kvferry_invariant_broken')).toEqual({ '': 1 });
    expect(valuesOf(samples, 'kvferry_invariants_broken_total')).toEqual({ '': 1 });
    expect(notZero(valuesOf(samples, 'kvferry_agent_state'))).toEqual({ 'state=fencing': 1 });
  });

  test('counts how often NATS went away', async () => {
    const metrics = new AgentMetrics({ agent: 'a', role: 'both', version: '1.2.3' });
    for (const status of ['connected', 'disconnected', 'connected', 'disconnected'] as const)
      metrics.natsChanged(status);
    const samples = parseSamples(await metrics.render(undefined));
    expect(valuesOf(samples, 'kvferry_nats_connected')).toEqual({ '': 0 });
    expect(valuesOf(samples, 'kvferry_nats_disconnects_total')).toEqual({ '': 2 });
  });

  test('that is watched and scraped does exactly what it does otherwise, call by call', async () => {
    const run = async (isWatched: boolean) => {
      const made = new RecordedCluster();
      const agents = [await made.agent('decode-0', 'decode'), await made.agent('prefill-0', 'prefill')];
      const watched = isWatched ? agents.map((agent) => new Watched(agent, 'any', 'both')) : [];
      await made.segment('prefill-0', 'engine', keys);
      for (const request of ['r0', 'r1']) {
        await made.put('prefill-0', request, ['k0', 'k1']);
        await Promise.all(watched.map((each) => each.text()));
        await made.ended(request);
        await Promise.all(watched.map((each) => each.text()));
      }
      await made.stop();
      return made.lines;
    };
    const [watched, alone] = [await run(true), await run(false)];
    expect(alone.get('prefill-0')?.length).toBeGreaterThan(50);
    expect(watched).toEqual(alone);
  });

  test('has a metric for everything that it counts', () => {
    const read = new Set<string>();
    const noteName = (_: object, name: string | symbol) => {
      read.add(String(name));
      return 0;
    };
    const counts = new Proxy<Record<string, number>>({}, { get: noteName });
    new AgentCounts(new Registry()).update(counts);
    const folder = new URL('../../../src/actors/', import.meta.url);
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const sources = names.map((name) => readFileSync(new URL(name, folder), 'utf8'));
    const named = sources.flatMap((text) =>
      [...text.matchAll(/counters\.add\(\s*['`]([^'`]+)['`]/g)].map(([, name]) => name as string),
    );
    expect(named).toContain('requests_accepted');
    // The ends of requests come from their machines, which know the reason too.
    const missing = named.filter((name) => {
      const pattern = new RegExp(`^${name.replaceAll(/\$\{[^}]*\}/g, '.+')}$`);
      return !/^requests_(sent|received)_/.test(name) && ![...read].some((each) => pattern.test(each));
    });
    expect(missing).toEqual([]);
    expect([...read].filter((name) => name.startsWith('errors_'))).toHaveLength(errorCodes.length);
  });

  test.skipIf(promtoolMissing !== undefined)('says all of it as Prometheus wants it', async () => {
    const { made, decode, prefill } = await watchedCluster();
    await made.put('prefill-0', 'r', ['k0']);
    await made.ended('r');
    for (const watched of [decode, prefill]) {
      expect(promtool(['check', 'metrics'], await watched.text())).toEqual({ status: 0, output: '' });
    }
  });
});
