/** Scrapes real agents, and checks that they have every metric and label that the dashboard and the alert rules use. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { poll } from '../../src/processes/within.js';
import { alertExpressions, dashboardExpressions } from '../support/deployed.js';
import { parseSamples, promtool, promtoolMissing, type Sample, valuesOf } from '../support/prometheus-text.js';
import { missingFrom } from '../support/promql.js';
import { AgentProcess, missing, PAGE_BYTES, RealCluster } from './support.js';

const keys = ['k0', 'k1', 'k2', 'k3'];
const serving = ['--metrics-address', '127.0.0.1:0'];

/** URL of the metrics of an agent, from its log. */
function urlOf(agent: AgentProcess): string {
  const line = agent.log.find((each) => each.includes('metrics listening')) ?? '{}';
  return (JSON.parse(line) as { url: string }).url;
}

async function get(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return response.text();
}

/** Starts two agents. Their requests became ready, shared chunks, failed, or are still open. */
async function busyCluster(): Promise<{ cluster: RealCluster; decode: AgentProcess; prefill: AgentProcess }> {
  const cluster = await RealCluster.start();
  const [decode, prefill] = await Promise.all([
    cluster.agent('decode-0', 'decode', 'same-host', { args: serving }),
    cluster.agent('prefill-0', 'prefill', 'same-host', {
      // decode-0 does not offer verbs.
      args: [...serving, '--provider', 'verbs,same-host', '--staging-pages', '4'],
    }),
  ]);
  await cluster.segment('prefill-0', keys);
  const { epoch } = await cluster.put('prefill-0', 'first', keys);
  await cluster.ended('first');
  await cluster.put('prefill-0', 'shares', ['k0', 'k1']);
  await cluster.ended('shares');
  await cluster.client.release('decode-0', { request: 'shares', epoch });
  // This request has more chunks than the arena has pages.
  await cluster.put('prefill-0', 'too-large', ['other'], { totalChunks: 100, last: false });
  await cluster.ended('too-large');
  // The second batch of this request does not come.
  await cluster.put('prefill-0', 'open', ['k3'], { totalChunks: 2, last: false });
  await cluster.statusWhen('decode-0', ({ requests }) =>
    requests.some(({ request, chunks }) => request === 'open' && chunks === 1),
  );
  await cluster.statusWhen('prefill-0', ({ counters }) => counters['requests_sent_failed'] === 1);
  return { cluster, decode, prefill };
}

describe.skipIf(missing !== undefined)(`metrics${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  describe('of two agents with traffic', () => {
    let cluster: RealCluster;
    let decode: AgentProcess;
    let prefill: AgentProcess;

    beforeAll(async () => {
      ({ cluster, decode, prefill } = await busyCluster());
    });
    afterAll(() => cluster[Symbol.asyncDispose]());

    test('a scrape of each agent has what happened', async () => {
      const received = parseSamples(await get(urlOf(decode)));
      const sent = parseSamples(await get(urlOf(prefill)));
      const of = (samples: Sample[], names: readonly string[]) =>
        Object.fromEntries(names.map((name) => [name, valuesOf(samples, name)]));
      const ended = (side: string, other: string) => ({
        [`side=${side} end=ready code=none`]: 2,
        [`side=${other} end=ready code=none`]: 0,
        [`side=${side} end=failed code=request_too_large`]: 1,
      });
      expect(
        of(received, [
          'kvferry_requests_ended_total',
          'kvferry_chunks_allocated_total',
          'kvferry_arena_pages',
          'kvferry_requests',
          'kvferry_leases_ended_total',
          'kvferry_peers',
          'kvferry_admission_queue_requests',
          'kvferry_nats_connected',
          'kvferry_invariant_broken',
        ]),
      ).toEqual({
        kvferry_requests_ended_total: ended('receiver', 'sender'),
        kvferry_chunks_allocated_total: { 'outcome=written': 4, 'outcome=joined': 0, 'outcome=ready': 3 },
        kvferry_arena_pages: {
          'state=free': 12,
          'state=writing': 0,
          'state=leased': 4,
          'state=retained': 0,
          'state=quarantined': 0,
        },
        kvferry_requests: { 'side=receiver state=ready': 1, 'side=receiver state=running.receiving': 1 },
        kvferry_leases_ended_total: { 'cause=released': 1, 'cause=expired': 0 },
        kvferry_peers: { 'side=sender state=connected and alive provider=same-host': 1 },
        kvferry_admission_queue_requests: { '': 0 },
        kvferry_nats_connected: { '': 1 },
        kvferry_invariant_broken: { '': 0 },
      });
      expect(
        of(sent, [
          'kvferry_requests_ended_total',
          'kvferry_requests_accepted_total',
          'kvferry_transfers_ended_total',
          'kvferry_written_bytes_total',
          'kvferry_request_duration_seconds_count',
          'kvferry_peer_call_errors_total',
          'kvferry_peer_provider_passed_over',
          'kvferry_arena_pages',
        ]),
      ).toEqual({
        kvferry_requests_ended_total: ended('sender', 'receiver'),
        kvferry_requests_accepted_total: { '': 4 },
        kvferry_transfers_ended_total: {
          'end=committed code=none': 3,
          'end=aborted code=request_too_large': 1,
        },
        kvferry_written_bytes_total: { '': 4 * PAGE_BYTES },
        kvferry_request_duration_seconds_count: {
          'side=sender end=ready': 2,
          'side=receiver end=ready': 0,
          'side=sender end=failed': 1,
        },
        kvferry_peer_call_errors_total: { 'operation=allocate code=request_too_large': 1 },
        kvferry_peer_provider_passed_over: { 'peer=decode-0 provider=same-host passed_over=verbs': 1 },
        kvferry_arena_pages: {},
      });
    });

    test.skipIf(promtoolMissing !== undefined)('promtool finds nothing wrong with it', async () => {
      for (const agent of [decode, prefill]) {
        expect(promtool(['check', 'metrics'], await get(urlOf(agent)))).toEqual({ status: 0, output: '' });
      }
    });

    test('everything that dashboard and alert rules name is there, with its labels', async () => {
      const texts = await Promise.all([decode, prefill].map((agent) => get(urlOf(agent))));
      const samples = texts.flatMap(parseSamples);
      const missed = [...dashboardExpressions, ...alertExpressions].flatMap(({ where, expression, shown }) =>
        missingFrom(samples, expression, shown).map((what) => `${where}: ${what}`),
      );
      expect(missed).toEqual([]);
    });
  });

  test('an agent that cannot serve them does not start, and says why', async () => {
    await using cluster = await RealCluster.start();
    const first = await cluster.agent('decode-0', 'decode', 'same-host', { args: serving });
    const { port } = new URL(urlOf(first));
    const second = new AgentProcess('decode-1', ['--nats-url', cluster.url, '--metrics-address', port]);
    expect(await second.ended).toBe(2);
    expect(second.log.join('\n')).toMatch(
      new RegExp(`^kvferry: cannot serve metrics at 127.0.0.1:${port}: .*EADDRINUSE.* \\[invalid_configuration\\]$`),
    );
  });

  test('an agent that stops says so to those who probe it, and its port is free', async () => {
    await using cluster = await RealCluster.start();
    const decode = await cluster.agent('decode-0', 'decode', 'same-host', { args: serving });
    const base = new URL(urlOf(decode));
    expect(await get(`${base.origin}/readyz`)).toBe('{"agent":"decode-0","state":"running","nats":"connected"}');
    expect(await decode.end('SIGTERM')).toBe(0);
    await expect(fetch(base)).rejects.toThrow('fetch failed');
  });

  test('NATS goes away and comes back → not ready, but alive, and ready again', async () => {
    await using cluster = await RealCluster.start();
    const decode = await cluster.agent('decode-0', 'decode', 'same-host', { args: serving });
    const { origin } = new URL(urlOf(decode));
    const statusOf = async (path: string) => (await fetch(`${origin}${path}`)).status;
    const becomes = (status: number) =>
      poll(20_000, async () => ((await statusOf('/readyz')) === status ? status : undefined));
    await cluster.interruptNats();
    expect(await becomes(503)).toBe(503);
    expect(await statusOf('/healthz')).toBe(200);
    await cluster.restoreNats();
    expect(await becomes(200)).toBe(200);
  });

  test('without the setting nothing listens', async () => {
    await using cluster = await RealCluster.start();
    const decode = await cluster.agent('decode-0', 'decode');
    expect(decode.log.filter((line) => line.includes('metrics'))).toEqual([]);
  });
});
