import { InMemorySpanExporter, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { SPANS_WAITING_MAX, SpanQueue } from '../../../src/observe/tracing/span-queue.js';

test('spans that come while too many wait are lost, which is counted and said once', async () => {
  const log: unknown[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => void log.push(JSON.parse(line)) });
  const exporter = new InMemorySpanExporter();
  const queue = new SpanQueue(exporter, logger);
  const spans = new NodeTracerProvider({ spanProcessors: [queue] }).getTracer('test');
  // The first batch goes at once, and its place is taken only when it has arrived.
  exporter.export = (_, done) => void setImmediate(() => done({ code: 0 }));
  for (let index = 0; index < SPANS_WAITING_MAX + 10; index += 1) spans.startSpan('request').end();
  await queue.forceFlush();
  expect(queue.counts).toEqual({ exported: SPANS_WAITING_MAX, lost: 10, waiting: 0 });
  expect(log).toEqual([
    {
      level: 40,
      reason: 'the queue is full',
      lost: 1,
      msg: 'spans lost: they did not reach the trace collector',
    },
  ]);
});
