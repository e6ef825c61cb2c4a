/**
 * How requests end, for routers and engines: one result for each request, the first terminal event. NATS does not keep
 * events: subscribe before the request is put, and ask (`askEnd`) when no event comes.
 */
import { SystemClock } from '../control/system-clock.js';
import type { ClockPort } from '../ports/clock.js';
import type { ControlSubscription } from '../ports/control.js';
import { KvferryError } from '../protocol/errors.js';
import { announcersOf, type TerminalEvent } from '../protocol/events.js';
import type { KvferryClient } from './kvferry-client.js';

export interface RequestEnd {
  readonly event: TerminalEvent;
  /** When the event was received, by the clock of this process, in milliseconds. */
  readonly atMs: number;
}

/** Ends that are expected at the same time. The event of the oldest one is probably lost. */
const EXPECTED_MAX = 65_536;

interface Expected {
  /** Callers that expect the end, such as the ranks of one request. */
  callers: number;
  /** The process that can accept the request. Undefined: any, as far as the caller knows. */
  epoch: string | undefined;
  /** The agents that send and receive it. Undefined: any, as far as the caller knows. */
  readonly agents: readonly string[] | undefined;
  readonly end: Promise<RequestEnd>;
  readonly resolve: (end: RequestEnd) => void;
  readonly reject: (error: KvferryError) => void;
}

export interface RequestEndsOptions {
  readonly clock?: ClockPort;
  /** Receives further events of a request that has ended. They do not count. */
  readonly onRepeated?: (event: TerminalEvent) => void;
}

export class RequestEnds {
  readonly #clock: ClockPort;
  readonly #subscriptions: readonly ControlSubscription[];
  readonly #expected = new Map<string, Expected>();

  /** Subscribes. The subscription is in force when `client.flush()` has resolved. */
  constructor(client: KvferryClient, options: RequestEndsOptions = {}) {
    this.#clock = options.clock ?? new SystemClock();
    this.#subscriptions = [
      client.onTerminal((event) => this.#ended(event), options.onRepeated),
      client.onClose(() => this.close()),
    ];
  }

  /**
   * Resolves when the request ends. Rejects `closed` when this object or its client is closed before, and `too_many_requests` when
   * 65,536 requests were put after it, and their ends are expected too. Call it before `put`.
   * `agents`: those that send and receive it, if the caller knows them all. Then an event that names others does not count (P31).
   */
  expect(request: string, agents?: readonly string[]): Promise<RequestEnd> {
    const known = this.#expected.get(request);
    if (known !== undefined) {
      known.callers += 1;
      return known.end;
    }
    this.#makeRoom();
    let settle: Pick<Expected, 'resolve' | 'reject'> | undefined;
    const end = new Promise<RequestEnd>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // A caller that does not wait for the end must not be ended by its rejection.
    end.catch(() => undefined);
    this.#expected.set(request, {
      callers: 1,
      epoch: undefined,
      agents,
      end,
      ...(settle as Pick<Expected, 'resolve' | 'reject'>),
    });
    return end;
  }

  /**
   * Only that process can accept the request. An event of another process is about another use of the request id: it does not
   * count. The event of a request over several ranks counts: it names the epoch of rank 0, and a router may name the ranks late.
   */
  confine(request: string, epoch: string): void {
    const expected = this.#expected.get(request);
    if (expected !== undefined) expected.epoch = epoch;
  }

  /** One caller expects the end no longer. */
  forget(request: string): void {
    const expected = this.#expected.get(request);
    if (expected === undefined) return;
    expected.callers -= 1;
    if (expected.callers === 0) this.#expected.delete(request);
  }

  /** Ends the subscription. An expected end rejects `closed`. Idempotent. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    for (const [request, { reject }] of this.#expected) {
      reject(new KvferryError('closed', `closed before the end of request ${request} was announced`));
    }
    this.#expected.clear();
  }

  /** Gives the oldest expectation up when there are too many. */
  #makeRoom(): void {
    const [oldest] = this.#expected;
    if (oldest === undefined || this.#expected.size < EXPECTED_MAX) return;
    const [request, { reject }] = oldest;
    this.#expected.delete(request);
    const message = `the end of request ${request} is expected no longer: ${EXPECTED_MAX} newer ones are`;
    reject(new KvferryError('too_many_requests', message));
  }

  #ended(event: TerminalEvent): void {
    const expected = this.#expected.get(event.request);
    if (expected === undefined) return;
    const isOfAnother = event.lead === undefined && expected.epoch !== undefined && expected.epoch !== event.epoch;
    if (isOfAnother) return;
    if (announcersOf(event).some((agent) => expected.agents?.includes(agent) === false)) return;
    this.#expected.delete(event.request);
    expected.resolve({ event, atMs: this.#clock.now() });
  }
}
