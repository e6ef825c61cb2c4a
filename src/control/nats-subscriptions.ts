/**
 * The subscriptions of one connection. NATS can refuse one, at once or when the rights of the user change, and the NATS client
 * then forgets it. It is made again at intervals, until NATS accepts it.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { ControlSubscription } from '../ports/control.js';
import { KvferryError } from '../protocol/errors.js';
import { agentInboxOf, clientInboxOf } from '../protocol/subjects.js';
import { Arrivals } from './nats-arrivals.js';
import { stopReading } from './nats-dialing.js';

const RETRY_MS = 2_000;

interface Kept {
  readonly subject: string;
  readonly deliver: (message: Msg) => void;
  /** Undefined while NATS refuses it. */
  inner: Subscription | undefined;
  isClosed: boolean;
}

export interface SubscriptionsListener {
  refused(subject: string, error: Error): void;
  /** NATS accepts every subscription again. */
  accepted(): void;
}

function remedyOf(subject: string): string {
  if (subject.startsWith(agentInboxOf('')))
    return 'the user of an agent has the name of the agent (kvferry keys issue --role ROLE --name NAME)';
  if (subject.startsWith(clientInboxOf('')))
    return 'answers come to an inbox with the name of the user: set --nats-inbox, or give its file by --nats-creds';
  return 'use credentials with that right (kvferry keys issue)';
}

export class Subscriptions {
  readonly #connection: NatsConnection;
  readonly #listener: SubscriptionsListener;
  readonly #refused = new Set<Kept>();
  readonly #arrivals = new Arrivals(() => stopReading(this.#connection));
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: NatsConnection, listener: SubscriptionsListener) {
    this.#connection = connection;
    this.#listener = listener;
  }

  get areRefused(): boolean {
    return this.#refused.size > 0;
  }

  add(subject: string, deliver: (message: Msg) => void): ControlSubscription {
    const kept: Kept = { subject, deliver, inner: undefined, isClosed: false };
    this.#subscribe(kept);
    return {
      close: () => {
        kept.isClosed = true;
        kept.inner?.unsubscribe();
        if (this.#refused.delete(kept) && !this.areRefused) this.#listener.accepted();
      },
    };
  }

  /** Throws `subscription_refused` when NATS refuses one. Ask after a flush. */
  check(): void {
    const [kept] = this.#refused;
    if (kept === undefined) return;
    throw new KvferryError(
      'subscription_refused',
      `NATS refuses the subscription to ${kept.subject}: ${remedyOf(kept.subject)}`,
    );
  }

  /** Delivers every message that has arrived. */
  deliverAll(): void {
    this.#arrivals.deliverAll();
  }

  /** Subscriptions that NATS refuses are not made again. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** The connection is closed. What has arrived and waits is not delivered. */
  drop(): void {
    this.#arrivals.close();
  }

  #subscribe(kept: Kept): void {
    const inner = this.#connection.subscribe(kept.subject, {
      callback: (error, message) => {
        if (error === null) this.#arrivals.add(() => this.#deliver(kept, message));
        else if (kept.inner === inner) this.#refuse(kept, error);
      },
    });
    kept.inner = inner;
  }

  #deliver({ isClosed, deliver }: Kept, message: Msg): void {
    if (!isClosed) deliver(message);
  }

  #refuse(kept: Kept, error: Error): void {
    kept.inner = undefined;
    this.#refused.add(kept);
    this.#listener.refused(kept.subject, error);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#retry(), RETRY_MS);
  }

  /** A refusal comes before the answer to the flush. */
  async #retry(): Promise<void> {
    const retried = [...this.#refused];
    if (this.#connection.isClosed()) return;
    for (const kept of retried) this.#subscribe(kept);
    try {
      await this.#connection.flush();
    } catch {
      // NATS was lost meanwhile. Each of them is made again with the next connection, and refused again or not.
    }
    for (const kept of retried) if (kept.inner !== undefined) this.#refused.delete(kept);
    if (!this.areRefused && retried.length > 0) this.#listener.accepted();
  }
}
