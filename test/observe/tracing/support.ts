/** Simulated clusters whose agents record traces, and those traces. */
import { propagation, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  NodeTracerProvider,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import type { AgentPorts } from '../../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../../src/actors/env/agent-options.js';
import { KvferryClient, type OperationInput } from '../../../src/client/kvferry-client.js';
import { AgentTracer } from '../../../src/observe/tracing/agent-tracer.js';
import type { TerminalEvent } from '../../../src/protocol/events.js';
import type { MessageHeaders } from '../../../src/protocol/headers.js';
import type { OperationReply } from '../../../src/protocol/operations.js';
import { Cluster, PAGE_BYTES } from '../../actors/support.js';

// The OpenTelemetry API looks up the propagator of the process.
new NodeTracerProvider().register({ contextManager: null });

/** Time of day when the simulated clock shows 0. */
const STARTED_MS = Date.UTC(2026, 0, 1);
export const keys = ['k0', 'k1', 'k2', 'k3'];

/** A tracer for an agent with these ports. */
export function tracerFor(ports: Pick<AgentPorts, 'newEpoch'>, provider = new NodeTracerProvider()): AgentTracer {
  return new AgentTracer({ spans: provider.getTracer('test'), epoch: ports.newEpoch(), wallOffsetMs: STARTED_MS });
}

/** Collects every span, in the order of their start. */
class Collector implements SpanProcessor {
  readonly spans: ReadableSpan[] = [];

  onStart(span: ReadableSpan): void {
    this.spans.push(span);
  }
  onEnd(): void {}
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}

export class TracedCluster extends Cluster {
  readonly #collector = new Collector();
  readonly #ratio: number;
  readonly #router = this.#provider('router');
  readonly #client = new KvferryClient(this.client);
  readonly tracers = new Map<string, AgentTracer>();
  /** Headers of terminal events, by request. */
  readonly announced = new Map<string, MessageHeaders>();

  /** `ratio` is the fraction of traces started by agents that is sampled. */
  constructor(ratio = 1) {
    super();
    this.#ratio = ratio;
    this.#client.onTerminal(({ request }, headers) => this.announced.set(request, headers));
  }

  /** Starts agents. The name of an agent determines its role. Each prefill engine has the chunks `keys`. */
  static async of(...agents: readonly string[]): Promise<TracedCluster> {
    const cluster = new TracedCluster();
    await cluster.start(...agents);
    return cluster;
  }

  async start(...agents: readonly string[]): Promise<void> {
    for (const agent of agents) {
      const role = agent.startsWith('decode') ? 'decode' : 'prefill';
      await this.agent(agent, role);
      if (role === 'prefill') await this.segment(agent, 'engine', keys);
    }
  }

  protected override decorated(ports: AgentPorts, { agent }: AgentOptions): AgentPorts {
    const tracer = tracerFor(ports, this.#provider(agent));
    this.tracers.set(agent, tracer);
    return { ...ports, tracer };
  }

  /** The headers of the trace that a router starts for `request`. */
  begin(request: string): MessageHeaders {
    const span = this.#router.getTracer('test').startSpan(`prompt ${request}`);
    span.end();
    const headers = {};
    propagation.inject(trace.setSpan(ROOT_CONTEXT, span), headers);
    return headers;
  }

  putTraced(
    agent: string,
    request: string,
    names: readonly string[],
    more: Partial<OperationInput<'put'>> & { headers?: MessageHeaders } = {},
  ): Promise<OperationReply<'put'>> {
    const { headers = this.begin(request), ...rest } = more;
    const input = {
      request,
      receiver: 'decode-0',
      batch: 0,
      last: true,
      totalChunks: names.length,
      timeoutMs: 30_000,
      ...{ keys: [...names], source: [{ segment: 'engine', offset: 0, length: PAGE_BYTES, count: names.length }] },
      ...rest,
    };
    return this.settle(this.#client.put(agent, input, { headers }));
  }

  /** Waits for the end of the request, and then for its spans to end. */
  override async ended(request: string, maxMs?: number): Promise<TerminalEvent> {
    const event = await super.ended(request, maxMs);
    await this.clock.advance(100);
    return event;
  }

  get spans(): readonly ReadableSpan[] {
    return this.#collector.spans;
  }

  span(agent: string, name: string, request?: string): ReadableSpan {
    const found = this.spans.filter(
      (span) =>
        agentOf(span) === agent &&
        span.name === name &&
        (request === undefined || span.attributes['kvferry.request'] === request),
    );
    if (found.length !== 1) throw new Error(`${agent} has ${found.length} spans ${name}`);
    return found[0] as ReadableSpan;
  }

  /** Every trace as a tree of agents and span names. `!` comes before an error, and `…` marks a span that has not ended. */
  get trees(): string[] {
    const ids = new Set(this.spans.map((span) => span.spanContext().spanId));
    const below = (id: string | undefined): readonly ReadableSpan[] =>
      this.spans.filter(({ parentSpanContext }) =>
        id === undefined ? !ids.has(parentSpanContext?.spanId ?? '') : parentSpanContext?.spanId === id,
      );
    const show = (span: ReadableSpan, depth: number): string[] => [
      `${'  '.repeat(depth)}${agentOf(span)} ${span.name}${endOf(span)}`,
      ...below(span.spanContext().spanId).flatMap((child) => show(child, depth + 1)),
    ];
    return below(undefined).flatMap((root) => show(root, 0));
  }

  #provider(agent: string): NodeTracerProvider {
    return new NodeTracerProvider({
      resource: resourceFromAttributes({ agent }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(agent === 'router' ? 1 : this.#ratio) }),
      spanProcessors: [this.#collector],
    });
  }
}

function agentOf({ resource }: ReadableSpan): unknown {
  return resource.attributes['agent'];
}

function endOf({ ended, status, attributes }: ReadableSpan): string {
  const mark = ended ? '' : ' …';
  return status.code === SpanStatusCode.ERROR ? `${mark} !${attributes['error.type']}` : mark;
}

/** Start and end of a span, in milliseconds since the simulated clock showed 0. */
export function timesOf({ startTime, endTime }: ReadableSpan): readonly [startMs: number, endMs: number] {
  const toMs = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1000 - STARTED_MS + nanoseconds / 1e6;
  return [toMs(startTime), toMs(endTime)];
}
