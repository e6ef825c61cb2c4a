/** A trace that a router starts continues through both agents, over a real nats-server and a real exporter. */
import { describe, expect, test } from 'vitest';
import { connectClient } from '../../src/client/connect-client.js';
import { within } from '../../src/processes/within.js';
import type { MessageHeaders } from '../../src/protocol/headers.js';
import { type CollectedSpan, OtlpCollector } from '../support/otlp-collector.js';
import { missing, PAGE_BYTES, RealCluster } from './support.js';

const WAIT_MS = 60_000;
const keys = ['k0', 'k1'];
const TRACE = 'a'.repeat(32);
const ROUTER_SPAN = 'b'.repeat(16);

async function tracedCluster(endpoint: string): Promise<RealCluster> {
  const cluster = await RealCluster.start();
  const args = ['--trace-endpoint', endpoint];
  await Promise.all([
    cluster.agent('decode-0', 'decode', undefined, { args }),
    cluster.agent('prefill-0', 'prefill', undefined, { args }),
  ]);
  await cluster.segment('prefill-0', keys);
  return cluster;
}

/** Puts the request with that header, and returns the headers of its terminal event. */
async function put(cluster: RealCluster, traceparent: string): Promise<MessageHeaders> {
  const client = await connectClient({ servers: cluster.url, name: 'router' });
  const announced = new Promise<MessageHeaders>((resolve) => {
    client.onTerminal((_, headers) => resolve(headers));
  });
  await client.flush();
  const batch = { request: 'r1', receiver: 'decode-0', batch: 0, last: true, totalChunks: keys.length };
  const source = [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: keys.length }];
  const headers = { traceparent };
  const { epoch } = await client.put('prefill-0', { ...batch, keys, source, timeoutMs: 10_000 }, { headers });
  const heard = await within(WAIT_MS, 'no terminal event', announced);
  await client.release('decode-0', { request: 'r1', epoch });
  await client.close();
  return heard;
}

describe.skipIf(missing !== undefined)(`traced agents${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test('a trace goes from a router through both agents and back', async () => {
    await using collector = await OtlpCollector.start();
    await using cluster = await tracedCluster(collector.url);
    const headers = await put(cluster, `00-${TRACE}-${ROUTER_SPAN}-01`);
    const of = (name: string): CollectedSpan | undefined => collector.spans.find((span) => span.name === name);
    const all = () => ['request', 'transfer', 'ingest'].every((name) => of(name) !== undefined);
    await within(WAIT_MS, 'spans are missing', collector.until(all));
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const { request, transfer, ingest } = { request: of('request'), transfer: of('transfer'), ingest: of('ingest') };
    expect(request).toMatchObject({ parentSpanId: ROUTER_SPAN, resource: { 'service.instance.id': 'prefill-0' } });
    expect(transfer).toMatchObject({
      parentSpanId: request?.spanId,
      attributes: { 'kvferry.provider': 'same-host', 'kvferry.bytes': keys.length * PAGE_BYTES },
    });
    expect(ingest).toMatchObject({
      parentSpanId: request?.spanId,
      resource: { 'service.instance.id': 'decode-0', 'kvferry.agent.epoch': cluster.epochOf('decode-0') },
    });
    expect(headers).toEqual({ traceparent: `00-${TRACE}-${ingest?.spanId}-01` });
  });

  test('a trace that the router does not record is recorded by nobody', async () => {
    await using collector = await OtlpCollector.start();
    await using cluster = await tracedCluster(collector.url);
    expect(await put(cluster, `00-${TRACE}-${ROUTER_SPAN}-00`)).toEqual({
      traceparent: expect.stringMatching(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`)),
    });
    await cluster.stopAgents();
    expect(collector.spans).toEqual([]);
  });

  test('without a collector the agents work, and stop', async () => {
    const collector = await OtlpCollector.start();
    const { url } = collector;
    await collector[Symbol.asyncDispose]();
    await using cluster = await tracedCluster(url);
    await put(cluster, `00-${TRACE}-${ROUTER_SPAN}-01`);
    expect(await cluster.stopAgents()).toEqual([0, 0]);
  });
});
