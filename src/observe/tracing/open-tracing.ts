/** OpenTelemetry for one agent: the sampling of traces, the agent's identity in them, and the collector. */
import { setTimeout as delay } from 'node:timers/promises';
import { propagation, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  NodeTracerProvider,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { ATTR_SERVICE_INSTANCE_ID } from '@opentelemetry/semantic-conventions/incubating';
import type { Logger } from 'pino';
import type { ClockPort } from '../../ports/clock.js';
import type { Role } from '../../protocol/fields.js';
import { AgentTracer } from './agent-tracer.js';
import { SpanQueue } from './span-queue.js';

/** Time limit for one batch, including all attempts to send it. */
const SEND_TIMEOUT_MS = 2000;
/** Time limit for the last spans after the agent has stopped. They are sent at once, so that nothing keeps the process alive. */
const CLOSE_TIMEOUT_MS = 2500;

export interface TracingOptions {
  /** The URL of a collector that accepts OTLP over HTTP: `http://host:4318`. `/v1/traces` is appended. */
  readonly endpoint: string;
  /** Fraction of traces started here that are sampled. Traces started elsewhere keep their own decision. */
  readonly ratio: number;
  readonly agent: string;
  readonly epoch: string;
  readonly role: Role;
  readonly version: string;
  readonly clock: ClockPort;
  readonly logger: Logger;
}

export interface Tracing {
  readonly tracer: AgentTracer;
  /** Sends the waiting spans. Takes 2.5 s at most and never rejects. Idempotent. */
  close(): Promise<void>;
}

/** `exporter`: for tests. The default exports to `endpoint`. */
export function openTracing(options: TracingOptions, exporter: SpanExporter = exporterTo(options.endpoint)): Tracing {
  const { ratio, agent, epoch, role, version, clock, logger } = options;
  const queue = new SpanQueue(exporter, logger);
  const ours = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: 'kvferry',
    [ATTR_SERVICE_VERSION]: version,
    [ATTR_SERVICE_INSTANCE_ID]: agent,
    'kvferry.agent.epoch': epoch,
    'kvferry.agent.role': role,
  });
  const provider = new NodeTracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override these attributes.
    resource: ours.merge(detectResources({ detectors: [envDetector] })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [queue],
  });
  // For the propagator. No code here needs an active span, whose context would make every promise slower.
  provider.register({ contextManager: null });
  const tracer = new AgentTracer({
    spans: provider.getTracer('kvferry', version),
    epoch,
    wallOffsetMs: Date.now() - clock.now(),
  });
  logger.info({ endpoint: options.endpoint, ratio }, 'tracing');
  let closing: Promise<void> | undefined;
  const close = async () => {
    tracer.close();
    const late = delay(CLOSE_TIMEOUT_MS, undefined, { ref: false });
    // The queue has already logged the lost spans.
    const flushed = provider.shutdown().catch(() => undefined);
    await Promise.race([flushed, late]);
    trace.disable();
    propagation.disable();
    logger.info(queue.counts, 'tracing has ended');
  };
  return {
    tracer,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function exporterTo(endpoint: string): SpanExporter {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  return new OTLPTraceExporter({ url: url.href, timeoutMillis: SEND_TIMEOUT_MS });
}
