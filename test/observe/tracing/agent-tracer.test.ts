/** What agents trace: whole clusters on simulated ports, whose spans are looked at as trees. */
import { SpanKind } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import { Cluster, PAGE_BYTES } from '../../actors/support.js';
import { RecordedCluster, replayed } from '../replay/support.js';
import { keys, TracedCluster, timesOf, tracerFor } from './support.js';

const SAMPLED = '01';

describe('a request', () => {
  test("a request succeeds → one span a state, in the router's trace, at both agents", async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const { epoch } = await cluster.putTraced('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    await cluster.call('decode-0', 'release', { request: 'r1', epoch });
    expect(cluster.trees).toEqual([
      'router prompt r1',
      '  prefill-0 request',
      '    prefill-0 request.running.open',
      '    prefill-0 transfer',
      '      prefill-0 transfer.allocating',
      '      prefill-0 transfer.writing',
      '      prefill-0 transfer.committing',
      '    decode-0 ingest',
      '      decode-0 ingest.running.waiting',
      '      decode-0 ingest.running.receiving',
      '      decode-0 ingest.ready',
      '    prefill-0 request.settled',
    ]);
  });

  test('is described by attributes and events', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const { epoch } = await cluster.putTraced('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    await cluster.call('decode-0', 'release', { request: 'r1', epoch });
    const identity = { 'kvferry.request': 'r1', 'kvferry.epoch': epoch };
    const ended = { 'kvferry.state': 'ended', 'kvferry.end': 'ready' };
    expect(cluster.span('prefill-0', 'request')).toMatchObject({
      kind: SpanKind.CONSUMER,
      attributes: { ...identity, 'kvferry.peer': 'decode-0', 'messaging.system': 'nats', ...ended },
    });
    expect(cluster.span('prefill-0', 'transfer')).toMatchObject({
      kind: SpanKind.INTERNAL,
      attributes: {
        ...identity,
        'kvferry.batch': 0,
        'kvferry.peer': 'decode-0',
        'kvferry.state': 'committed',
        'kvferry.provider': 'memory',
        'kvferry.chunks': 4,
        'kvferry.bytes': 256,
      },
    });
    expect(cluster.span('prefill-0', 'transfer.writing').attributes).toEqual({ 'kvferry.event': 'write.delivered' });
    const ingest = cluster.span('decode-0', 'ingest');
    expect(ingest).toMatchObject({
      kind: SpanKind.CONSUMER,
      attributes: { ...identity, 'kvferry.peer': 'prefill-0', 'kvferry.state': 'released', 'kvferry.end': 'ready' },
    });
    const received = { 'messaging.operation.type': 'process', 'kvferry.took_ms': 0 };
    expect(ingest.events.map(({ name, attributes }) => [name, attributes])).toEqual([
      ['chunks allocated', { 'kvferry.chunks': 4, 'kvferry.batch': 0 }],
      ['message allocate', received],
      ['chunks committed', { 'kvferry.chunks': 4, 'kvferry.batch': 0 }],
      ['chunks ended', { 'kvferry.chunks': 4, 'kvferry.detail': 'ready' }],
      ['message event.ready', { 'messaging.operation.type': 'send' }],
      ['message ended', { 'messaging.operation.type': 'send' }],
      ['message commit', received],
      ['chunks released', { 'kvferry.chunks': 4 }],
    ]);
  });

  test('has the times of its states, on the time of day', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    await cluster.clock.advance(5000);
    const writes = cluster.fabrics.holdWrites();
    await cluster.putTraced('prefill-0', 'r1', keys);
    await cluster.clock.until(() => writes.held > 0);
    await cluster.clock.advance(250.5);
    const nowMs = cluster.clock.now();
    writes.release();
    await cluster.ended('r1');
    await cluster.clock.advance(1000);
    expect(timesOf(cluster.span('prefill-0', 'request'))).toEqual([nowMs - 250.5, nowMs]);
    expect(timesOf(cluster.span('prefill-0', 'transfer.writing'))).toEqual([nowMs - 250.5, nowMs]);
    expect(timesOf(cluster.span('prefill-0', 'transfer.committing'))).toEqual([nowMs, nowMs]);
  });

  test('announces its end with the trace, for services that go on from there', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const carried = { tracestate: 'router=1', baggage: 'tenant=7' };
    const headers = { ...cluster.begin('r1'), ...carried, other: 'not carried' };
    await cluster.putTraced('prefill-0', 'r1', keys, { headers });
    await cluster.ended('r1');
    const { traceId, spanId } = cluster.span('decode-0', 'ingest').spanContext();
    expect(cluster.announced.get('r1')).toEqual({
      traceparent: `00-${traceId}-${spanId}-${SAMPLED}`,
      ...carried,
    });
  });

  test('no trace of a router, or a damaged header → a request begins its own trace', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    await cluster.put('prefill-0', 'r1', ['k0']);
    await cluster.ended('r1');
    await cluster.putTraced('prefill-0', 'r2', ['k0'], { headers: { traceparent: '00-what-is-this' } });
    await cluster.ended('r2');
    expect(cluster.trees.filter((line) => !line.startsWith(' '))).toEqual(['prefill-0 request', 'prefill-0 request']);
  });

  test('in several batches: a span for each', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const common = { totalChunks: 3, last: false };
    await cluster.putTraced('prefill-0', 'r1', ['k0', 'k1'], common);
    await cluster.putTraced('prefill-0', 'r1', ['k2'], { ...common, batch: 1, last: true });
    await cluster.ended('r1');
    const batches = cluster.spans.filter(({ name }) => name === 'transfer');
    const request = cluster.span('prefill-0', 'request').spanContext().spanId;
    expect(batches.map(({ attributes }) => attributes['kvferry.batch'])).toEqual([0, 1]);
    expect(batches.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([request, request]);
    expect(cluster.span('decode-0', 'ingest').parentSpanContext?.spanId).toBe(request);
  });

  test('that is deduplicated writes nothing', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    await cluster.putTraced('prefill-0', 'first', keys);
    await cluster.ended('first');
    await cluster.putTraced('prefill-0', 'second', keys);
    await cluster.ended('second');
    expect(cluster.trees.slice(cluster.trees.indexOf('router prompt second'))).toEqual([
      'router prompt second',
      '  prefill-0 request',
      '    prefill-0 request.running.open',
      '    prefill-0 transfer',
      '      prefill-0 transfer.allocating',
      '    decode-0 ingest …',
      '      decode-0 ingest.running.waiting',
      '      decode-0 ingest.ready …',
      '    prefill-0 request.settled',
    ]);
    const { events } = cluster.span('decode-0', 'ingest', 'second');
    expect(events[0]).toMatchObject({ name: 'chunks deduplicated', attributes: { 'kvferry.chunks': 4 } });
  });

  test('over several ranks is one trace', async () => {
    const cluster = await TracedCluster.of('decode-0', 'decode-1', 'prefill-0', 'prefill-1');
    const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` }));
    const headers = cluster.begin('r1');
    for (const rank of [0, 1]) {
      const more = { receiver: `decode-${rank}`, ranks: { rank, members }, headers };
      await cluster.putTraced(`prefill-${rank}`, 'r1', ['k0'], more);
    }
    await cluster.ended('r1');
    const group = cluster.span('decode-0', 'group');
    expect(group.parentSpanContext).toEqual(cluster.span('decode-0', 'ingest').spanContext());
    expect(new Set(cluster.spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    const { traceId, spanId } = group.spanContext();
    expect(cluster.announced.get('r1')).toEqual({ traceparent: `00-${traceId}-${spanId}-${SAMPLED}` });
  });
});

describe('requests that share chunks', () => {
  test('the one that joins is linked to the one that writes', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0', 'prefill-1');
    const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
    await cluster.putTraced('prefill-0', 'writer', ['k0', 'k1']);
    await cluster.clock.until(() => writes.held > 0);
    await cluster.putTraced('prefill-1', 'joiner', ['k0', 'k1', 'k2']);
    await cluster.clock.advance(100);
    writes.release();
    await cluster.ended('joiner');
    expect(cluster.trees.slice(cluster.trees.indexOf('router prompt joiner'))).toEqual([
      'router prompt joiner',
      '  prefill-1 request',
      '    prefill-1 request.running.open',
      '    prefill-1 transfer',
      '      prefill-1 transfer.allocating',
      '      prefill-1 transfer.writing',
      '      prefill-1 transfer.committing',
      '      prefill-1 transfer.joining',
      '    decode-0 ingest …',
      '      decode-0 ingest.running.waiting',
      '      decode-0 ingest.running.receiving',
      '      decode-0 ingest.deciding',
      '      decode-0 ingest.ready …',
      '    prefill-1 request.running.settling',
    ]);
    expect(cluster.span('decode-0', 'ingest', 'joiner').links).toMatchObject([
      {
        context: cluster.span('decode-0', 'ingest', 'writer').spanContext(),
        attributes: { 'kvferry.link': 'joined' },
      },
    ]);
  });

  test('a writer that is killed: its successor is linked to it, and writes', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0', 'prefill-1');
    const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
    const killed = await cluster.putTraced('prefill-0', 'killed', ['k0', 'k1']);
    await cluster.clock.until(() => writes.held > 0);
    await cluster.putTraced('prefill-1', 'heir', ['k0', 'k1']);
    await cluster.clock.advance(100);
    cluster.kill(killed);
    await cluster.ended('heir');
    expect(cluster.trees).toEqual([
      'router prompt killed',
      '  prefill-0 request …',
      '    prefill-0 request.running.open …',
      '    prefill-0 transfer …',
      '      prefill-0 transfer.allocating',
      '      prefill-0 transfer.writing …',
      '    decode-0 ingest !sender_lost',
      '      decode-0 ingest.running.waiting',
      '      decode-0 ingest.running.receiving !sender_lost',
      '      decode-0 ingest.deciding',
      'router prompt heir',
      '  prefill-1 request',
      '    prefill-1 request.running.open',
      '    prefill-1 transfer',
      '      prefill-1 transfer.allocating',
      '      prefill-1 transfer.joining',
      '      prefill-1 transfer.writing',
      '      prefill-1 transfer.committing',
      '    decode-0 ingest …',
      '      decode-0 ingest.running.waiting',
      '      decode-0 ingest.running.receiving',
      '      decode-0 ingest.ready …',
      '    prefill-1 request.settled',
    ]);
    const { links } = cluster.span('decode-0', 'ingest', 'heir');
    const context = cluster.span('decode-0', 'ingest', 'killed').spanContext();
    expect(links).toMatchObject([
      { context, attributes: { 'kvferry.link': 'joined' } },
      { context, attributes: { 'kvferry.link': 'handed-over' } },
    ]);
  });
});

describe('a request that fails', () => {
  test('is an error, with its reason, in the state in which that came to be known', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const writes = cluster.fabrics.holdWrites();
    await cluster.putTraced('prefill-0', 'r1', keys, { timeoutMs: 1000 });
    expect(await cluster.ended('r1')).toMatchObject({ end: 'expired' });
    writes.release();
    await cluster.clock.advance(100);
    expect(cluster.trees).toEqual([
      'router prompt r1',
      '  prefill-0 request !deadline_exceeded',
      '    prefill-0 request.running.open',
      '    prefill-0 transfer !deadline_exceeded',
      '      prefill-0 transfer.allocating',
      '      prefill-0 transfer.writing !deadline_exceeded',
      '      prefill-0 transfer.draining',
      '    decode-0 ingest !deadline_exceeded',
      '      decode-0 ingest.running.waiting',
      '      decode-0 ingest.running.receiving !deadline_exceeded',
      '      decode-0 ingest.deciding',
      '    prefill-0 request.aborting.asking !deadline_exceeded',
    ]);
    expect(cluster.span('decode-0', 'ingest')).toMatchObject({
      status: { message: 'deadline_exceeded: request r1 was not complete within 1000 ms' },
      attributes: { 'kvferry.end': 'expired', 'kvferry.state': 'ended', 'error.type': 'deadline_exceeded' },
    });
  });

  test('a request that a caller ends is no error', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const writes = cluster.fabrics.holdWrites();
    await cluster.putTraced('prefill-0', 'r1', keys);
    await cluster.clock.until(() => writes.held > 0);
    await cluster.call('prefill-0', 'cancel', { request: 'r1' });
    writes.release();
    expect(await cluster.ended('r1')).toMatchObject({ end: 'cancelled' });
    expect(cluster.trees.filter((line) => line.includes('!'))).toEqual([]);
    expect(cluster.span('prefill-0', 'request').attributes).toMatchObject({
      'kvferry.end': 'cancelled',
      'error.type': 'cancelled_by_caller',
    });
  });

  test('because an actor threw: its spans end all the same', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    cluster.fabrics.throwOnNextWrite(new TypeError('a bug'));
    await cluster.putTraced('prefill-0', 'r1', keys);
    expect(await cluster.ended('r1')).toMatchObject({ end: 'failed' });
    expect(cluster.trees.filter((line) => line.includes('prefill-0 transfer'))).toEqual([
      '    prefill-0 transfer !internal',
      '      prefill-0 transfer.allocating',
      '      prefill-0 transfer.writing !internal',
    ]);
    expect(cluster.trees.filter((line) => line.includes('…'))).toEqual([]);
  });

  test('because its receiver never heard of it is announced with the trace by the sender', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const { epoch } = await cluster.call('decode-0', 'describe', {});
    cluster.network.fate = ({ to, subject }) => ({
      copies: to === 'decode-0' && subject.includes('.peer.') ? 0 : 1,
      delayMs: 0,
    });
    await cluster.putTraced('prefill-0', 'r1', keys, { timeoutMs: 1000 });
    await cluster.clock.advance(500);
    cluster.kill({ epoch });
    await cluster.ended('r1');
    const { traceId, spanId } = cluster.span('prefill-0', 'request').spanContext();
    expect(cluster.announced.get('r1')).toEqual({ traceparent: `00-${traceId}-${spanId}-${SAMPLED}` });
  });

  test('to be accepted leaves nothing behind', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    const refused = cluster.putTraced('prefill-0', 'r1', keys, { totalChunks: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_field' });
    await cluster.put('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    expect(cluster.trees.slice(0, 2)).toEqual(['router prompt r1', 'prefill-0 request']);
  });
});

describe('sampling', () => {
  const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}`;

  test('the router decides: what it does not record, no agent does, and each hears so', async () => {
    const cluster = await TracedCluster.of('decode-0', 'prefill-0');
    await cluster.putTraced('prefill-0', 'r1', keys, { headers: { traceparent: `${trace}-00` } });
    await cluster.ended('r1');
    expect(cluster.trees).toEqual([]);
    expect(cluster.announced.get('r1')?.['traceparent']).toMatch(/^00-a{32}-[0-9a-f]{16}-00$/);
  });

  test('an agent decides for those traces that begin at it', async () => {
    const cluster = new TracedCluster(0);
    await cluster.start('decode-0', 'prefill-0');
    await cluster.put('prefill-0', 'unrecorded', keys);
    await cluster.ended('unrecorded');
    expect(cluster.trees).toEqual([]);
    expect(cluster.announced.get('unrecorded')?.['traceparent']).toMatch(/-00$/);
    await cluster.putTraced('prefill-0', 'recorded', keys, { headers: { traceparent: `${trace}-01` } });
    await cluster.ended('recorded');
    expect(cluster.trees.slice(0, 2)).toEqual(['prefill-0 request', '  prefill-0 request.running.open']);
  });
});

test('without tracing nothing is carried on, whatever comes', async () => {
  const cluster = new Cluster();
  const traced: string[] = [];
  cluster.client.subscribe('kvferry.v2.>', ({ subject, headers }) => {
    if (headers !== undefined) traced.push(subject);
  });
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', keys);
  const engine = new KvferryClient(cluster.network.connect('engine'));
  const source = [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: keys.length }];
  const batch = { request: 'r1', receiver: 'decode-0', batch: 0, last: true, totalChunks: keys.length };
  const headers = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
  await cluster.settle(engine.put('prefill-0', { ...batch, keys, source, timeoutMs: 30_000 }, { headers }));
  await cluster.ended('r1');
  expect(traced).toEqual(['kvferry.v2.agent.prefill-0.default.put']);
});

test('an agent that stops ends what is left', async () => {
  const cluster = await TracedCluster.of('decode-0', 'prefill-0');
  const writes = cluster.fabrics.holdWrites();
  await cluster.putTraced('prefill-0', 'r1', keys);
  await cluster.clock.until(() => writes.held > 0);
  expect(cluster.trees.some((line) => line.includes('…'))).toBe(true);
  for (const tracer of cluster.tracers.values()) tracer.close();
  expect(cluster.trees.filter((line) => line.includes('…'))).toEqual([]);
});

test('a recording of agents that trace replays without any difference', async () => {
  class TracedAndRecorded extends RecordedCluster {
    protected override decorated(
      ...[ports, options]: Parameters<RecordedCluster['decorated']>
    ): ReturnType<RecordedCluster['decorated']> {
      return super.decorated({ ...ports, tracer: tracerFor(ports) }, options);
    }
  }
  const cluster = new TracedAndRecorded();
  const headers: unknown[] = [];
  cluster.client.subscribe('kvferry.v2.event.>', (message) => headers.push(message.headers));
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', keys);
  await cluster.put('prefill-0', 'r1', keys);
  await cluster.ended('r1');
  await cluster.clock.advance(1000);
  expect(headers).toEqual([{ traceparent: expect.stringMatching(/^00-/) }]);
  for (const name of ['decode-0', 'prefill-0']) {
    const { findings } = await replayed(cluster.file(name));
    expect(findings).toMatchObject({ divergencesTotal: 0, violationsTotal: 0, skipped: 0, ownTimers: 0 });
  }
});
