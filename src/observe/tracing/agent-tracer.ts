/**
 * Makes traces of requests from an agent's journal. Each request and transfer at the sender, and each ingest and group at the
 * receiver, is a span, with a child span for each state of its machine. Messages and steps of the store are events of
 * these spans. docs/tracing.md describes them.
 *
 * A request continues the trace that came with `put`. Every later message about the request carries the trace on.
 */
import {
  type Attributes,
  type Context,
  type HrTime,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type Tracer as SpanMaker,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions';
import {
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_MESSAGING_SYSTEM,
  MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
  MESSAGING_OPERATION_TYPE_VALUE_SEND,
} from '@opentelemetry/semantic-conventions/incubating';
import type {
  About,
  ActorIdentity,
  JournalEvent,
  MessageEvent,
  StateEvent,
  StoreEvent,
} from '../../actors/observing/journal.js';
import type { Tracer } from '../../actors/observing/tracer.js';
import type { Provider } from '../../ports/fabric.js';
import type { Failure } from '../../protocol/fields.js';
import type { MessageHeaders } from '../../protocol/headers.js';

/** Machines whose actors get spans. Agents and peers live too long for a span, and pages have no actors. */
const tracedMachines = ['transfer', 'request', 'ingest', 'group'] as const;
type TracedMachine = (typeof tracedMachines)[number];

/** The machine that each message may start. The span of its actor continues the trace of the message. */
const startedBy: Readonly<Partial<Record<string, TracedMachine>>> = {
  put: 'request',
  allocate: 'ingest',
  abort: 'ingest',
  report: 'group',
};

/** Most traces of messages that are being handled. Beyond this limit, a span starts a new trace. */
const INCOMING_MAX = 10_000;
/** Most ended requests that later messages may still refer to. */
const ENDED_MAX = 1000;

const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

/** The spans of one actor. */
interface ActorSpans {
  readonly span: Span;
  readonly context: Context;
  /** The context that other spans continue. */
  readonly headers: MessageHeaders;
  state: Span | undefined;
  /** The state in which the failure happened has been marked. */
  hasFailed: boolean;
  bytes: number;
  chunks: number;
}

export interface AgentTracerOptions {
  /** Makes the spans and decides which are sampled. */
  readonly spans: SpanMaker;
  /** Of the agent. */
  readonly epoch: string;
  /** The difference between the time of day and the agent's clock. */
  readonly wallOffsetMs: number;
}

export class AgentTracer implements Tracer {
  readonly #spans: SpanMaker;
  readonly #epoch: string;
  readonly #wallOffsetMs: number;
  /** The key is the name of the actor that the message may start. */
  readonly #incoming = new Map<string, Context>();
  /** Spans of live actors, by name. */
  readonly #live = new Map<string, ActorSpans>();
  /** Spans of ended requests, oldest first. */
  readonly #ended = new Map<string, ActorSpans>();

  constructor({ spans, epoch, wallOffsetMs }: AgentTracerOptions) {
    this.#spans = spans;
    this.#epoch = epoch;
    this.#wallOffsetMs = wallOffsetMs;
  }

  received(operation: string, about: About, headers: MessageHeaders | undefined): void {
    const machine = startedBy[operation];
    if (machine === undefined || headers === undefined) return;
    const name = this.#nameOf(machine, about);
    if (!this.#live.has(name)) put(this.#incoming, name, propagation.extract(ROOT_CONTEXT, headers), INCOMING_MAX);
  }

  headersFor(about: About): MessageHeaders | undefined {
    if (about.request === undefined) return undefined;
    for (const machine of ['group', 'ingest', 'request'] as const) {
      const spans = this.#known(this.#nameOf(machine, about));
      if (spans !== undefined) return spans.headers;
    }
    return undefined;
  }

  happened(event: JournalEvent): void {
    switch (event.kind) {
      case 'state':
        this.#moved(event, this.#timeOf(event.atMs));
        return;
      case 'message':
        this.#exchanged(event, this.#timeOf(event.atMs));
        return;
      case 'store':
        this.#stored(event, this.#timeOf(event.atMs));
        return;
    }
  }

  wrote(about: About, { provider, chunks, bytes }: { provider: Provider; chunks: number; bytes: number }): void {
    const spans = this.#live.get(this.#nameOf('transfer', about));
    if (spans === undefined) return;
    spans.chunks += chunks;
    spans.bytes += bytes;
    spans.span.setAttributes({
      'kvferry.provider': provider,
      'kvferry.chunks': spans.chunks,
      'kvferry.bytes': spans.bytes,
    });
  }

  /** Ends all open spans, because the agent has stopped. */
  close(): void {
    for (const { state, span } of this.#live.values()) {
      state?.end();
      span.end();
    }
    this.#live.clear();
  }

  // ------------------------------------------------------------------------------------------------------------------

  #moved({ of, event, to, done, end, reason }: StateEvent, time: HrTime): void {
    const machine = tracedMachines.find((traced) => traced === of.machine);
    if (machine === undefined) return;
    const name = this.#nameOf(machine, of.about);
    const spans = this.#live.get(name) ?? this.#begin(machine, name, of, time);
    if (reason !== undefined && !spans.hasFailed) {
      spans.hasFailed = true;
      if (spans.state !== undefined) fail(spans.state, reason);
    }
    spans.state?.setAttribute('kvferry.event', event).end(time);
    spans.state = undefined;
    if (done) {
      this.#live.delete(name);
      if (machine !== 'transfer') put(this.#ended, name, spans, ENDED_MAX);
      spans.span.setAttribute('kvferry.state', to);
      if (end !== undefined) spans.span.setAttribute('kvferry.end', end);
      if (reason !== undefined) fail(spans.span, reason);
      spans.span.end(time);
    } else if (spans.span.isRecording()) {
      spans.state = this.#spans.startSpan(`${machine}.${to}`, { startTime: time }, spans.context);
    }
  }

  #begin(machine: TracedMachine, name: string, { about }: ActorIdentity, startTime: HrTime): ActorSpans {
    const parent = this.#parentOf(machine, name, about);
    const isMessage = machine !== 'transfer';
    const attributes = { ...attributesOf(about), ...(isMessage ? { [ATTR_MESSAGING_SYSTEM]: 'nats' } : {}) };
    // The actor goes on after the message has been answered.
    const kind = isMessage ? SpanKind.CONSUMER : SpanKind.INTERNAL;
    const span = this.#spans.startSpan(machine, { kind, startTime, attributes }, parent);
    const context = trace.setSpan(parent, span);
    const headers = {};
    propagation.inject(context, headers);
    const spans = { span, context, headers, state: undefined, hasFailed: false, bytes: 0, chunks: 0 };
    this.#incoming.delete(name);
    this.#live.set(name, spans);
    return spans;
  }

  #parentOf(machine: TracedMachine, name: string, about: About): Context {
    const incoming = this.#incoming.get(name);
    if (incoming !== undefined) return incoming;
    // The ingest of rank 0 reports without a message: its group is in the same agent.
    const outer = machine === 'transfer' ? 'request' : machine === 'group' ? 'ingest' : undefined;
    const parent = outer === undefined ? undefined : this.#live.get(this.#nameOf(outer, about));
    return parent?.context ?? ROOT_CONTEXT;
  }

  #exchanged({ direction, operation, about, tookMs, code }: MessageEvent, time: HrTime): void {
    const machine = direction === 'in' ? startedBy[operation] : undefined;
    if (machine !== undefined) this.#incoming.delete(this.#nameOf(machine, about));
    const type = direction === 'in' ? MESSAGING_OPERATION_TYPE_VALUE_PROCESS : MESSAGING_OPERATION_TYPE_VALUE_SEND;
    const attributes: Attributes = { [ATTR_MESSAGING_OPERATION_TYPE]: type };
    if (tookMs !== undefined) attributes['kvferry.took_ms'] = tookMs;
    if (code !== undefined) attributes[ATTR_ERROR_TYPE] = code;
    this.#spanAbout(about)?.addEvent(`message ${operation}`, attributes, time);
  }

  #stored({ action, about, keys, positions, chunks, detail, other }: StoreEvent, time: HrTime): void {
    const span = this.#spanAbout(about);
    if (span === undefined) return;
    const attributes: Attributes = { 'kvferry.chunks': chunks ?? positions?.length ?? keys.length };
    if (about.batch !== undefined) attributes['kvferry.batch'] = about.batch;
    if (detail !== undefined) attributes['kvferry.detail'] = detail;
    span.addEvent(`chunks ${action}`, attributes, time);
    const writer = other === undefined ? undefined : this.#known(this.#nameOf('ingest', other));
    if (writer !== undefined) {
      span.addLink({ context: writer.span.spanContext(), attributes: { 'kvferry.link': action } });
    }
  }

  /** The span of a live or recently ended actor. */
  #known(name: string): ActorSpans | undefined {
    return this.#live.get(name) ?? this.#ended.get(name);
  }

  /** The most specific span: the span of the batch, else the span of its request. */
  #spanAbout(about: About): Span | undefined {
    if (about.request === undefined) return undefined;
    for (const machine of tracedMachines) {
      const spans = this.#live.get(this.#nameOf(machine, about));
      if (spans !== undefined) return spans.span;
    }
    return undefined;
  }

  #nameOf(machine: TracedMachine, { request, epoch = this.#epoch, batch }: About): string {
    const name = `${machine} ${epoch}/${request}`;
    return machine === 'transfer' ? `${name}/${batch}` : name;
  }

  /** A date, because OpenTelemetry reads a small number as a time since the start of the process. */
  #timeOf(atMs: number): HrTime {
    const wallMs = atMs + this.#wallOffsetMs;
    const seconds = Math.floor(wallMs / MS_PER_S);
    return [seconds, Math.floor((wallMs - seconds * MS_PER_S) * NS_PER_MS)];
  }
}

/** A request that a caller cancelled is no error. */
function fail(span: Span, { code, message }: Failure): void {
  span.setAttribute(ATTR_ERROR_TYPE, code);
  if (code !== 'cancelled_by_caller') span.setStatus({ code: SpanStatusCode.ERROR, message: `${code}: ${message}` });
}

function attributesOf({ request, epoch, batch, peer }: About): Attributes {
  return {
    ...(request === undefined ? {} : { 'kvferry.request': request }),
    ...(epoch === undefined ? {} : { 'kvferry.epoch': epoch }),
    ...(batch === undefined ? {} : { 'kvferry.batch': batch }),
    ...(peer === undefined ? {} : { 'kvferry.peer': peer }),
  };
}

/** Adds an entry and drops the oldest ones beyond the limit. */
function put<Value>(map: Map<string, Value>, name: string, value: Value, sizeMax: number): void {
  map.delete(name);
  map.set(name, value);
  for (const oldest of map.keys()) {
    if (map.size <= sizeMax) return;
    map.delete(oldest);
  }
}
