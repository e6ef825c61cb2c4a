/** Agents as a test wants them: each operation is answered from a table, and the test publishes the events. */
import type { ControlMessage, ControlPort, ControlStatus, RequestOptions } from '../../src/ports/control.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { MessageHeaders } from '../../src/protocol/headers.js';
import { MESSAGE_BYTES_MAX } from '../../src/protocol/limits.js';
import type { Heartbeat } from '../../src/protocol/peer-messages.js';
import { announcerOf, operationOf } from '../../src/protocol/subjects.js';

export const epoch = '00000000000000aa';
export const successor = '00000000000000bb';

export interface Asked {
  readonly operation: string;
  readonly body: object;
  readonly headers?: MessageHeaders | undefined;
}

export class ScriptedAgent implements ControlPort {
  messageBytesMax = MESSAGE_BYTES_MAX;
  readonly asked: Asked[] = [];
  /** By operation. What an answer throws, the call rejects with. An agent that is named in an answer is the one that was asked. */
  readonly answers: Record<string, (body: object) => object> = {};
  readonly #handlers = new Map<string, Set<(message: ControlMessage) => void>>();

  async request(subject: string, text: string, { headers }: RequestOptions): Promise<string> {
    const operation = operationOf(subject);
    const body = JSON.parse(text) as object;
    this.asked.push({ operation, body, headers });
    const answer = this.answers[operation]?.(body) ?? {};
    const named = 'agent' in answer ? { agent: announcerOf(subject) } : {};
    return JSON.stringify({ v: 2, ok: true, ...answer, ...named });
  }

  /** Bodies of one operation, in order. */
  bodiesOf(operation: string): object[] {
    return this.asked.filter((one) => one.operation === operation).map(({ body }) => body);
  }

  get operations(): string[] {
    return this.asked.map(({ operation }) => operation);
  }

  /** `pattern`: what the client has subscribed to. A terminal event comes from the agent `by`. */
  emit(pattern: string, body: object, by = 'd'): void {
    const subject = pattern === TERMINALS ? `kvferry.v2.event.${by}.default.ready` : pattern;
    for (const handler of this.#handlers.get(pattern) ?? []) {
      handler({ subject, body: JSON.stringify({ v: 2, ...body }), respond: () => undefined });
    }
  }

  emitHeartbeat(
    agent: string,
    running: string,
    more: Partial<Pick<Heartbeat, 'alone' | 'draining' | 'leaving'>> = {},
  ): void {
    const counted = { number: 1, ageMs: 0, alone: true, draining: false, leaving: false, ...more };
    const beat = { agent, epoch: running, role: 'prefill', heartbeatMs: 1000, ...counted };
    this.emit(`kvferry.v2.heartbeat.${agent}`, beat);
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void) {
    const handlers = this.#handlers.get(subject) ?? new Set();
    this.#handlers.set(subject, handlers.add(handler));
    return { close: () => handlers.delete(handler) };
  }

  /** Subjects that are subscribed to. */
  get subjects(): string[] {
    return [...this.#handlers].filter(([, handlers]) => handlers.size > 0).map(([subject]) => subject);
  }

  requestAll = async () => [];
  publish = () => undefined;
  /** Changes the connection to NATS. */
  setStatus: (status: ControlStatus) => void = () => undefined;

  onStatus(listener: (status: ControlStatus) => void): void {
    this.setStatus = listener;
  }

  reconnect = () => undefined;
  flush = async () => undefined;
  close = async () => undefined;
}

/** Lets an agent answer what belongs to a session: it is open, and executes every order. */
export function answerSessions(agent: ScriptedAgent, running: () => string): void {
  agent.answers.open = (body) => ({ epoch: running(), silentMs: (body as { silentMs: number }).silentMs, order: 0 });
  agent.answers.renew = () => ({ epoch: running(), order: 0 });
  agent.answers.barrier = () => ({ epoch: running(), barred: [] });
  agent.answers.end = () => ({ epoch: running(), chunksInUse: 0 });
  agent.answers.sources = () => ({ epoch: running(), alone: true, batches: [] });
}

/** An error reply. */
export function refusal(code: string, more: object = {}): object {
  return { ok: false, error: { code, message: code, ...more } };
}

/** No answer comes. */
export function noAnswer(): never {
  throw new KvferryError('deadline_exceeded', 'no answer');
}

/** Nobody is subscribed. */
export function nobodyThere(): never {
  throw new KvferryError('no_responders', 'no subscriber');
}

export function statusOf(running: string, more: object = {}): object {
  const about = { agent: 'p', epoch: running, role: 'prefill', state: 'running', uptimeMs: 1, queued: 0 };
  return {
    ...about,
    segments: [],
    segmentsTotal: 0,
    sessions: [],
    sessionsTotal: 0,
    peers: [],
    peersTotal: 0,
    requests: [],
    requestsTotal: 0,
    counters: {},
    ...more,
  };
}

export function requestRow(running: string, more: object = {}): object {
  const row = { request: 'r', epoch: running, side: 'sender', state: 'running', ageMs: 1, batches: 1, chunks: 1 };
  return { ...row, ...more };
}

export function terminal(request: string, end = 'ready', more: object = {}): object {
  const counts = { chunks: 2, deduplicated: 0, joined: 0, bytes: 0, ageMs: 1 };
  return { request, epoch, end, sender: 'p', receiver: 'd', ...counts, ...more };
}

export const TERMINALS = 'kvferry.v2.event.*.default.*';
