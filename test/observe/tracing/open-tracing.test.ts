/** Tracing with the real exporter: what reaches a collector, and what happens when there is none. */
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SystemClock } from '../../../src/control/system-clock.js';
import { openTracing, type Tracing } from '../../../src/observe/tracing/open-tracing.js';
import { OtlpCollector } from '../../support/otlp-collector.js';

const EPOCH = '00000000000000aa';

function open(endpoint: string, ratio = 1): { tracing: Tracing; log: { msg: string; [field: string]: unknown }[] } {
  const log: { msg: string }[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => void log.push(JSON.parse(line)) });
  const about = { agent: 'prefill-0', epoch: EPOCH, role: 'prefill', version: '1.2.3' } as const;
  const tracing = openTracing({ endpoint, ratio, ...about, clock: new SystemClock(), logger });
  onTestFinished(() => tracing.close());
  return { tracing, log };
}

/** A request that begins and ends, `count` times. */
function trace({ tracer }: Tracing, count = 1): void {
  for (let index = 0; index < count; index += 1) {
    const about = { request: `r${index}`, epoch: EPOCH, peer: 'decode-0' };
    const of = { machine: 'request', actor: `request ${index}`, about } as const;
    const nothing = { end: undefined, reason: undefined };
    const atMs = performance.now();
    const begin = { from: undefined, to: 'running.open', event: '', done: false };
    tracer.happened({ kind: 'state', of, ...nothing, ...begin, atMs });
    const end = { from: 'running.open', to: 'ended', event: 'request.ended', done: true };
    tracer.happened({ kind: 'state', of, ...nothing, ...end, atMs: atMs + 1 });
  }
}

test('spans reach the collector, with who made them', async () => {
  await using collector = await OtlpCollector.start();
  const { tracing, log } = open(collector.url);
  trace(tracing);
  await tracing.close();
  await tracing.close();
  expect(collector.paths).toEqual(new Set(['/v1/traces']));
  expect(collector.spans.map(({ name }) => name)).toEqual(['request.running.open', 'request']);
  expect(collector.spans[1]).toMatchObject({
    resource: {
      'service.name': 'kvferry',
      'service.version': '1.2.3',
      'service.instance.id': 'prefill-0',
      'kvferry.agent.epoch': EPOCH,
      'kvferry.agent.role': 'prefill',
    },
    attributes: { 'kvferry.request': 'r0', 'kvferry.peer': 'decode-0' },
  });
  expect(log.slice(1)).toEqual([{ level: 30, exported: 2, lost: 0, waiting: 0, msg: 'tracing has ended' }]);
});

test('the endpoint may have a path; the environment gives names and headers', async () => {
  vi.stubEnv('OTEL_SERVICE_NAME', 'ferries');
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'k8s.pod.name=prefill-0-x');
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20t0ken');
  await using collector = await OtlpCollector.start();
  const { tracing } = open(`${collector.url}/tenant/`);
  trace(tracing);
  await tracing.close();
  expect(collector.paths).toEqual(new Set(['/tenant/v1/traces']));
  expect(collector.tokens).toEqual(new Set(['Bearer t0ken']));
  expect(collector.spans[0]?.resource).toMatchObject({ 'service.name': 'ferries', 'k8s.pod.name': 'prefill-0-x' });
});

test('a ratio of 0 records nothing that begins here', async () => {
  await using collector = await OtlpCollector.start();
  const { tracing } = open(collector.url, 0);
  trace(tracing, 10);
  await tracing.close();
  expect(collector.spans).toEqual([]);
});

test('a collector that refuses: what is lost is counted and said once', async () => {
  await using collector = await OtlpCollector.start();
  collector.answer = 400;
  const { tracing, log } = open(collector.url);
  trace(tracing, 600);
  await collector.until(({ answered }) => answered.length >= 2);
  await tracing.close();
  const warnings = log.filter(({ level }) => level === 40);
  expect(warnings).toEqual([expect.objectContaining({ msg: 'spans lost: they did not reach the trace collector' })]);
  expect(log.at(-1)).toMatchObject({ msg: 'tracing has ended', exported: 0, lost: 1200, waiting: 0 });
});

test('a collector that comes back gets what is traced from then on', async () => {
  await using collector = await OtlpCollector.start();
  collector.answer = 400;
  const { tracing, log } = open(collector.url);
  trace(tracing, 256);
  await collector.until(({ answered }) => answered.length >= 1);
  collector.answer = 200;
  trace(tracing);
  await tracing.close();
  expect(collector.spans.map(({ name }) => name)).toEqual(['request.running.open', 'request']);
  expect(log.at(-1)).toMatchObject({ exported: 2, lost: 512 });
});

test.each(['silent', 503] as const)('a collector that is %s keeps nobody from stopping', async (answer) => {
  await using collector = await OtlpCollector.start();
  collector.answer = answer;
  const { tracing, log } = open(collector.url);
  trace(tracing);
  const startedMs = performance.now();
  await tracing.close();
  expect(performance.now() - startedMs).toBeLessThan(4000);
  expect(log.at(-1)).toMatchObject({ msg: 'tracing has ended', exported: 0, lost: 2, waiting: 0 });
});
