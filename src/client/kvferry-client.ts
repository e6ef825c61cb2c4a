/**
 * The messages of engines and routers, one method for each. The client checks every reply and event against the protocol,
 * turns error replies into `ReplyError`, and gives every call a deadline. Calls reject with a `KvferryError`:
 * `no_responders` when there is no such agent, `publication_refused` when the user of NATS may not ask, `deadline_exceeded`, `disconnected`, `closed`, `message_too_large`, or
 * the code that the agent answered (docs/protocol.md). `PrefillEngine` and `DecodeEngine` send these messages for an engine.
 */
import type { z } from 'zod';
import type { ControlPort, ControlStatus, ControlSubscription } from '../ports/control.js';
import { decode, decodeReply } from '../protocol/codec.js';
import { KvferryError } from '../protocol/errors.js';
import {
  announcersOf,
  type SourceReleasedEvent,
  sourceReleasedEvent,
  type TerminalEvent,
  terminalEvent,
} from '../protocol/events.js';
import { type FaultReply, type FaultRequest, faultReply } from '../protocol/faults.js';
import type { MessageHeaders } from '../protocol/headers.js';
import { PROTOCOL_VERSION } from '../protocol/limits.js';
import { type LookupReply, lookupReply } from '../protocol/lookup.js';
import { type DescribeReply, describeReply, type OperationReply, operationSchemas } from '../protocol/operations.js';
import { type Heartbeat, heartbeat } from '../protocol/peer-messages.js';
import { announcerOf, type Operation, subjects, tenantOfEvent } from '../protocol/subjects.js';
import { ALL_TENANTS, DEFAULT_TENANT, fullName } from '../protocol/tenants.js';

/** Time for one call; long enough for an agent to register a large segment with its fabric. */
const CALL_TIMEOUT_MS = 10_000;
/** How long `discover` collects answers. */
const DISCOVER_TIMEOUT_MS = 250;
/** Requests whose terminal event is remembered, so that a second one is recognised. */
const TERMINALS_REMEMBERED_MAX = 100_000;

/** The fields of a message, without its version. */
export type OperationInput<O extends Operation> = Omit<z.input<(typeof operationSchemas)[O]['request']>, 'v'>;

export interface CallOptions {
  /** Time for the answer. Milliseconds. */
  readonly timeoutMs?: number;
  /** Asks for this tenant. Default: that of the client. */
  readonly tenant?: string;
  /**
   * Sent with the message: `traceparent` and other headers that OpenTelemetry's `propagation.inject` writes. With them the
   * agents continue a trace (docs/tracing.md).
   */
  readonly headers?: MessageHeaders;
}

/** A client without a tenant asks these as an operator, for all tenants. */
const OBSERVING: ReadonlySet<Operation> = new Set<Operation>(['status', 'inspect', 'journal', 'explain']);

/** Headers of a message that has none. */
const NO_HEADERS: MessageHeaders = {};

export class KvferryClient {
  readonly #control: ControlPort;
  readonly #timeoutMs: number;
  readonly #tenant: string | undefined;
  readonly #onInvalid: (error: unknown, body: string) => void;
  readonly #connectionListeners = new Set<(status: ControlStatus) => void>();
  readonly #closers = new Set<() => void>();
  #isConnected = true;

  /**
   * `timeoutMs` is the time for the answer to a call that does not bring its own. `tenant` is the one for which the client asks;
   * default: `default`, and all tenants for what only shows the state of agents. `onInvalid` receives events and announcements that
   * do not fit the protocol; they are dropped.
   */
  constructor(
    control: ControlPort,
    options: {
      readonly timeoutMs?: number;
      readonly tenant?: string | undefined;
      readonly onInvalid?: (error: unknown, body: string) => void;
    } = {},
  ) {
    this.#control = control;
    this.#tenant = options.tenant;
    this.#timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    this.#onInvalid = options.onInvalid ?? (() => undefined);
    control.onStatus((status) => this.#connectionChanged(status));
  }

  /**
   * Hands a batch of chunks to a prefill agent. Resolves when the agent has accepted it; its bytes arrive later. When no
   * answer comes, the agent may accept the batch all the same, and later.
   */
  put(agent: string, input: OperationInput<'put'>, options?: CallOptions): Promise<OperationReply<'put'>> {
    return this.call(agent, 'put', input, options);
  }

  /**
   * Names the receiver of a request that was put without one. Harmless when repeated. Rejects `already_routed` when an earlier
   * route named another receiver, and `unknown_request` when the prefill agent does not know the request (yet).
   */
  route(agent: string, input: OperationInput<'route'>, options?: CallOptions): Promise<OperationReply<'route'>> {
    return this.call(agent, 'route', input, options);
  }

  /** Gives a request up, at its prefill or decode agent. A `put` that arrived at the prefill agent before it is found. */
  cancel(agent: string, input: OperationInput<'cancel'>, options?: CallOptions): Promise<OperationReply<'cancel'>> {
    return this.call(agent, 'cancel', input, options);
  }

  /** Looks chunks up in the arena of a decode agent and leases them, in one step. */
  acquire(agent: string, input: OperationInput<'acquire'>, options?: CallOptions): Promise<OperationReply<'acquire'>> {
    return this.call(agent, 'acquire', input, options);
  }

  /** Ends leases. Harmless when repeated. */
  release(agent: string, input: OperationInput<'release'>, options?: CallOptions): Promise<OperationReply<'release'>> {
    return this.call(agent, 'release', input, options);
  }

  /** How long a prefix of a prompt an agent has in its arena, and how much it has to do. Leases nothing. */
  lookup(agent: string, input: OperationInput<'lookup'>, options?: CallOptions): Promise<OperationReply<'lookup'>> {
    return this.call(agent, 'lookup', input, options);
  }

  /**
   * Asks all agents with one message. Resolves with the answers that arrive within `timeoutMs` (default: 250 ms), by name, and
   * earlier when `agents` agents have answered.
   */
  async lookupAll(
    input: OperationInput<'lookup'>,
    { agents, timeoutMs = DISCOVER_TIMEOUT_MS }: { readonly agents?: number; readonly timeoutMs?: number } = {},
  ): Promise<LookupReply[]> {
    const body = JSON.stringify({ v: PROTOCOL_VERSION, ...input });
    const subject = subjects.lookup(this.#tenant ?? DEFAULT_TENANT);
    const answers = await this.#control.requestAll(subject, body, { timeoutMs, answersMax: agents });
    return this.#byName(answers, lookupReply);
  }

  status(
    agent: string,
    input: OperationInput<'status'> = {},
    options?: CallOptions,
  ): Promise<OperationReply<'status'>> {
    return this.call(agent, 'status', input, options);
  }

  describe(agent: string, options?: CallOptions): Promise<DescribeReply> {
    return this.call(agent, 'describe', {}, options);
  }

  /** Makes an engine's file known to its prefill agent as source memory. */
  attach(agent: string, input: OperationInput<'attach'>, options?: CallOptions): Promise<OperationReply<'attach'>> {
    return this.call(agent, 'attach', input, options);
  }

  detach(agent: string, input: OperationInput<'detach'>, options?: CallOptions): Promise<OperationReply<'detach'>> {
    return this.call(agent, 'detach', input, options);
  }

  /** Borrows staging pages of a prefill agent. */
  stage(agent: string, input: OperationInput<'stage'>, options?: CallOptions): Promise<OperationReply<'stage'>> {
    return this.call(agent, 'stage', input, options);
  }

  unstage(agent: string, input: OperationInput<'unstage'>, options?: CallOptions): Promise<OperationReply<'unstage'>> {
    return this.call(agent, 'unstage', input, options);
  }

  /** Which source memory a prefill agent may still read, for an engine that may have missed a `sourceReleased` event. */
  sources(
    agent: string,
    input: OperationInput<'sources'> = {},
    options?: CallOptions,
  ): Promise<OperationReply<'sources'>> {
    return this.call(agent, 'sources', input, options);
  }

  /** Opens a session with a prefill agent (docs/guide/sessions.md). Harmless when repeated. */
  open(agent: string, input: OperationInput<'open'>, options?: CallOptions): Promise<OperationReply<'open'>> {
    return this.call(agent, 'open', input, options);
  }

  /** Keeps a session open. */
  renew(agent: string, input: OperationInput<'renew'>, options?: CallOptions): Promise<OperationReply<'renew'>> {
    return this.call(agent, 'renew', input, options);
  }

  /** Resolves when every order of the session below `order` is executed, or never will be. */
  barrier(agent: string, input: OperationInput<'barrier'>, options?: CallOptions): Promise<OperationReply<'barrier'>> {
    return this.call(agent, 'barrier', input, options);
  }

  /** Ends a session: its requests are cancelled, its segments and staging pages given back. Harmless when repeated. */
  end(agent: string, input: OperationInput<'end'>, options?: CallOptions): Promise<OperationReply<'end'>> {
    return this.call(agent, 'end', input, options);
  }

  /** The live actors of an agent, and the map of its pages. */
  inspect(
    agent: string,
    input: OperationInput<'inspect'> = {},
    options?: CallOptions,
  ): Promise<OperationReply<'inspect'>> {
    return this.call(agent, 'inspect', input, options);
  }

  /** What has happened at an agent, as far as it remembers. */
  journal(
    agent: string,
    input: OperationInput<'journal'> = {},
    options?: CallOptions,
  ): Promise<OperationReply<'journal'>> {
    return this.call(agent, 'journal', input, options);
  }

  /** Who holds a request, transfer, key or page at an agent, and what it waits for. Name one of them. */
  explain(agent: string, input: OperationInput<'explain'>, options?: CallOptions): Promise<OperationReply<'explain'>> {
    return this.call(agent, 'explain', input, options);
  }

  /** Any operation, by its name. */
  async call<O extends Operation>(
    agent: string,
    operation: O,
    input: OperationInput<O>,
    options: CallOptions = {},
  ): Promise<OperationReply<O>> {
    const unnamed = OBSERVING.has(operation) ? ALL_TENANTS : DEFAULT_TENANT;
    const tenant = options.tenant ?? this.#tenant ?? unnamed;
    const answer = await this.#ask(subjects.operation(agent, tenant, operation), input, options);
    const reply = decodeReply(operationSchemas[operation].reply, answer) as OperationReply<O>;
    if ('agent' in reply) requireSpeaker([reply.agent], agent);
    return reply;
  }

  /** Makes a fault happen to an agent. Rejects `faults_not_allowed` when it was not started with `--allow-faults`. */
  async fault(agent: string, input: Omit<FaultRequest, 'v'>, options: CallOptions = {}): Promise<FaultReply> {
    const reply = decodeReply(faultReply, await this.#ask(subjects.fault(agent), input, options));
    requireSpeaker([reply.agent], agent);
    return reply;
  }

  /** Every agent that answers within `timeoutMs`, by name. */
  async discover(options: CallOptions = {}): Promise<DescribeReply[]> {
    const body = JSON.stringify({ v: PROTOCOL_VERSION });
    const timeoutMs = options.timeoutMs ?? DISCOVER_TIMEOUT_MS;
    const answers = await this.#control.requestAll(subjects.discover, body, { timeoutMs });
    return this.#byName(answers, describeReply);
  }

  /**
   * Receives the terminal event of every request of the tenant, of all agents. When an agent dies just after it has announced an end, the
   * other agent may announce another end. The first event counts: the handler receives no second one (of the last 100,000
   * requests), `onRepeated` does. An event of an agent that neither sent nor received the request, nor led its ranks, is dropped
   * (P31). `headers` name the trace of the request, for OpenTelemetry's `propagation.extract`. Agents that do not trace send none.
   */
  onTerminal(
    handler: (event: TerminalEvent, headers: MessageHeaders) => void,
    onRepeated: (event: TerminalEvent) => void = () => undefined,
  ): ControlSubscription {
    const seen = new Set<string>();
    const tenant = this.#tenant ?? DEFAULT_TENANT;
    const subject = tenant === ALL_TENANTS ? subjects.terminals : subjects.terminalsOf(tenant);
    return this.#on(subject, terminalEvent, announcersOf, (read, headers, from) => {
      const event = tenant === ALL_TENANTS ? { ...read, request: fullName(from, read.request, 'request') } : read;
      // The agents too: an event of others does not stand in the way of theirs.
      const identity = [event.epoch, event.request, ...announcersOf(event)].join('/');
      if (seen.has(identity)) {
        onRepeated(event);
        return;
      }
      seen.add(identity);
      for (const oldest of seen) {
        if (seen.size <= TERMINALS_REMEMBERED_MAX) break;
        seen.delete(oldest);
      }
      handler(event, headers);
    });
  }

  /** Receives which source memory the engine of that prefill agent may use again. May come before the answer to its `put`. */
  onSourceReleased(agent: string, handler: (event: SourceReleasedEvent) => void): ControlSubscription {
    const subject = subjects.sourceReleased(agent, this.#tenant ?? DEFAULT_TENANT);
    return this.#on(subject, sourceReleasedEvent, () => [agent], handler);
  }

  /** Receives the heartbeats of one agent. Another `epoch` is another process, which knows nothing of the one before. */
  onHeartbeat(agent: string, handler: (beat: Heartbeat) => void): ControlSubscription {
    return this.#on(subjects.heartbeat(agent), heartbeat, (beat) => [beat.agent], handler);
  }

  /** The tenant for which this client sends requests. */
  get tenant(): string {
    return this.#tenant ?? DEFAULT_TENANT;
  }

  /** Resolves when the subscriptions made so far are in force. */
  flush(): Promise<void> {
    return this.#control.flush();
  }

  /** Bytes that the body of a message may have at most. */
  get messageBytesMax(): number {
    return this.#control.messageBytesMax;
  }

  /** False while NATS is away: a message is refused then, and is not sent later. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Receives every change of the connection to NATS. */
  onConnection(listener: (status: ControlStatus) => void): ControlSubscription {
    this.#connectionListeners.add(listener);
    return { close: () => this.#connectionListeners.delete(listener) };
  }

  /** Calls `closing` when this client is closed. */
  onClose(closing: () => void): ControlSubscription {
    this.#closers.add(closing);
    return { close: () => this.#closers.delete(closing) };
  }

  /** Closes the control port too. A wait for the end of a request through this client rejects `closed`. */
  async close(): Promise<void> {
    for (const closing of [...this.#closers]) closing();
    await this.#control.close();
  }

  #connectionChanged(status: ControlStatus): void {
    this.#isConnected = status === 'connected';
    for (const listener of this.#connectionListeners) listener(status);
  }

  #byName<T extends { readonly agent: string }>(answers: readonly string[], schema: z.ZodType<T>): T[] {
    return answers
      .flatMap((answer) => this.#checked(() => [decodeReply(schema, answer)], answer) ?? [])
      .sort((a, b) => (a.agent < b.agent ? -1 : 1));
  }

  #ask(subject: string, input: object, { timeoutMs = this.#timeoutMs, headers }: CallOptions): Promise<string> {
    const body = JSON.stringify({ v: PROTOCOL_VERSION, ...input });
    return this.#control.request(subject, body, { timeoutMs, headers });
  }

  /** `speakers`: the agents that may publish such an event. */
  #on<S extends z.ZodType>(
    subject: string,
    schema: S,
    speakers: (event: z.infer<S>) => readonly string[],
    handler: (event: z.infer<S>, headers: MessageHeaders, tenant: string) => void,
  ): ControlSubscription {
    return this.#control.subscribe(subject, (message) => {
      const event = this.#checked(() => {
        const read = decode(schema, message.body);
        requireSpeaker(speakers(read), announcerOf(message.subject));
        return read;
      }, message.body);
      if (event !== undefined) handler(event, message.headers ?? NO_HEADERS, tenantOfEvent(message.subject));
    });
  }

  #checked<T>(read: () => T, body: string): T | undefined {
    try {
      return read();
    } catch (error) {
      this.#onInvalid(error, body);
      return undefined;
    }
  }
}

/** The subject names the agent that speaks. Throws `not_yours` when the body is the word of another one. */
function requireSpeaker(speakers: readonly string[], agent: string): void {
  if (speakers.includes(agent)) return;
  const message = `agent ${agent} does not speak for ${speakers.join(', ')}`;
  throw new KvferryError('not_yours', message, { field: 'subject' });
}
