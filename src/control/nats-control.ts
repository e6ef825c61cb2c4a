/**
 * The control port over NATS: one connection, core publish and request/reply, callback subscriptions. Messages are handled in
 * the order in which they arrive, in this turn of the event loop or in a later one. The connection reconnects without limit, to the servers that were
 * configured and no others.
 *
 * During an outage of NATS:
 * - requests and flushes in progress are rejected `disconnected` at once, because their answers may be lost;
 * - published messages are kept, up to a limit, and sent when the connection is back, because terminal
 *   events are published only once;
 * - answers to messages from before the outage are dropped, because their senders have been rejected too.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, createInbox, type Msg, type NatsConnection, type Status } from '@nats-io/transport-node';
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestAllOptions,
  RequestOptions,
} from '../ports/control.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { type MessageHeaders, sendableHeaders } from '../protocol/headers.js';
import { MESSAGE_BYTES_MAX } from '../protocol/limits.js';
import { isInbox } from '../protocol/subjects.js';
import { checkAccess, type NatsAccess } from './nats-access.js';
import { parseNatsAddress } from './nats-address.js';
import { dialOptions, RETRY_DELAY_MS } from './nats-dial-options.js';
import { breakConnection, preferOthers, presentFirst, shuffled } from './nats-dialing.js';
import { NatsErrorLog } from './nats-error-log.js';
import { closed, disconnected, isRefusedSubscription, publicationRefused, refusedPublication } from './nats-errors.js';
import { fromNats, isNoResponders, toNats } from './nats-headers.js';
import { inboxOf } from './nats-inbox.js';
import type { ControlLogger, NatsControlOptions } from './nats-options.js';
import { NatsOutage, type NatsOutageOptions } from './nats-outage.js';
import { Outbox } from './nats-outbox.js';
import { Questions } from './nats-questions.js';
import { isRefused, refusalOf } from './nats-refusal.js';
import { Subscriptions } from './nats-subscriptions.js';

/** Time that `close` waits until the server has received all published messages. */
const CLOSE_FLUSH_TIMEOUT_MS = 1_000;

/**
 * Connects. Rejects `disconnected` when no server accepts within `connectTimeoutMs`, `invalid_configuration` when `access` is
 * not valid, and `subscription_refused` when this user must not receive answers.
 */
export async function connectNats(options: NatsControlOptions): Promise<NatsControl> {
  const { access = {}, logger, beside, explainMs } = options;
  checkAccess(access);
  const { servers: listed, credentials } = parseNatsAddress(options.servers);
  const servers = beside?.servers ?? shuffled(listed);
  const inboxPrefix = inboxOf(options);
  const dial = { ...credentials, ...dialOptions(options, servers) };
  const deadlineMs = performance.now() + (options.connectTimeoutMs ?? 0);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const connection = await connect({ ...dial, servers: beside?.serversFromPresent ?? [...servers] });
      const outage = { servers, access, dial, logger: beside === undefined ? logger : undefined, explainMs };
      return await served(new NatsControl(connection, servers, { access, inboxPrefix, logger, outage }));
    } catch (cause) {
      if (isKvferryError(cause, 'subscription_refused')) throw cause;
      if (isRefused(cause) || performance.now() + RETRY_DELAY_MS > deadlineMs) {
        const reason = await refusalOf(cause, servers, access);
        throw new KvferryError('disconnected', `no connection to NATS at ${servers.join(', ')}: ${reason}`, { cause });
      }
      if (attempt === 1) {
        logger?.warn({ servers, reason: await refusalOf(cause, servers, access) }, 'waiting for NATS');
      }
      await delay(RETRY_DELAY_MS);
    }
  }
}

/** Closes a connection on which answers cannot come, and rejects `subscription_refused`. */
async function served(control: NatsControl): Promise<NatsControl> {
  try {
    await control.flush();
    return control;
  } catch (error) {
    await control.close();
    throw error;
  }
}

export class NatsControl implements ControlPort {
  readonly #connection: NatsConnection;
  readonly #servers: readonly string[];
  readonly #inboxPrefix: string;
  readonly #access: NatsAccess;
  readonly #errors: NatsErrorLog;
  readonly #logger: ControlLogger | undefined;
  readonly #listeners: ((status: ControlStatus) => void)[] = [];
  /** Ends each wait in progress. */
  readonly #waits = new Set<(error: KvferryError) => void>();
  /** Ends each wait for the answers of several, by the subject of the question. */
  readonly #collecting = new Map<(error: KvferryError) => void, string>();
  readonly #questions: Questions;
  readonly #subscriptions: Subscriptions;
  readonly #outbox = new Outbox((subject) => {
    this.#logger?.warn({ subject }, 'message dropped: NATS is disconnected and the outbox is full');
  });
  /** The status that the listeners know. */
  #reported: ControlStatus = 'connected';
  #isConnected = true;
  readonly #outage: NatsOutage;
  #closing: Promise<void> | undefined;

  constructor(
    connection: NatsConnection,
    servers: readonly string[],
    about: {
      readonly access: NatsAccess;
      readonly inboxPrefix: string;
      readonly logger: ControlLogger | undefined;
      readonly outage: NatsOutageOptions;
    },
  ) {
    const { access, inboxPrefix, logger, outage } = about;
    this.#outage = new NatsOutage(connection, outage);
    this.#connection = connection;
    this.#servers = servers;
    this.#access = access;
    this.#errors = new NatsErrorLog(logger);
    this.#inboxPrefix = inboxPrefix;
    this.#logger = logger;
    this.#questions = new Questions(inboxPrefix);
    this.#subscriptions = new Subscriptions(connection, {
      refused: (subject, err) => {
        this.#logger?.error({ subject, reason: err.message }, 'subscription refused, trying again');
        this.#report();
      },
      accepted: () => {
        this.#logger?.info({}, 'every subscription is accepted again');
        this.#report();
      },
    });
    this.#subscriptions.add(this.#questions.subject, (message) => this.#questions.answered(message));
    this.#dialled();
    void this.#watch(connection.status());
  }

  /** Without credentials, in the order in which they are tried. */
  get servers(): readonly string[] {
    return this.#servers;
  }

  /** As `servers`, with the present one first. */
  get serversFromPresent(): string[] {
    return presentFirst(this.#connection, this.#servers);
  }

  /** Whether NATS refuses one of the subscriptions. */
  get isRefused(): boolean {
    return this.#subscriptions.areRefused;
  }

  get messageBytesMax(): number {
    return Math.min(MESSAGE_BYTES_MAX, this.#connection.info?.max_payload ?? MESSAGE_BYTES_MAX);
  }

  async request(subject: string, body: string, options: RequestOptions): Promise<string> {
    const bytes = this.#checkSize(subject, body);
    this.#checkConnected();
    const headers = sendableHeaders(options.headers, this.messageBytesMax - bytes);
    const timeoutMs = Math.max(1, Math.ceil(options.timeoutMs));
    return this.#questions.ask(subject, timeoutMs, (reply) => {
      this.#connection.publish(subject, body, { reply, ...toNats(headers) });
    });
  }

  async requestAll(subject: string, body: string, options: RequestAllOptions): Promise<string[]> {
    this.#checkSize(subject, body);
    this.#checkConnected();
    const answers: string[] = [];
    const inbox = createInbox(this.#inboxPrefix);
    let enough: () => void = () => undefined;
    const subscription = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) this.#logger?.warn({ subject, err: error }, 'subscription for answers failed');
        else if (isNoResponders(message)) enough();
        else if (answers.push(message.string()) === options.answersMax) enough();
      },
    });
    let timer: NodeJS.Timeout | undefined;
    let refuse: (error: KvferryError) => void = () => undefined;
    try {
      await this.#wait<void>((resolve, reject) => {
        enough = resolve;
        refuse = reject;
        this.#collecting.set(refuse, subject);
        timer = setTimeout(resolve, options.timeoutMs);
        this.#connection.publish(subject, body, { reply: inbox });
      });
      return answers;
    } finally {
      clearTimeout(timer);
      this.#collecting.delete(refuse);
      subscription.unsubscribe();
    }
  }

  publish(subject: string, body: string, wanted?: MessageHeaders): void {
    const bytes = this.#checkSize(subject, body);
    this.#checkOpen();
    const headers = sendableHeaders(wanted, this.messageBytesMax - bytes);
    if (this.#isConnected) this.#connection.publish(subject, body, toNats(headers));
    else this.#outbox.keep({ subject, body, headers }, bytes);
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    this.#checkOpen();
    return this.#subscriptions.add(subject, (message) => this.#deliver(handler, message));
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  reconnect(): void {
    if (this.#closing !== undefined || !this.#isConnected) return;
    preferOthers(this.#connection, this.#servers);
    breakConnection(this.#connection);
  }

  async flush(): Promise<void> {
    this.#checkConnected();
    await this.#wait<void>((resolve, reject) => {
      this.#connection.flush().then(resolve, (cause: unknown) => {
        reject(new KvferryError('disconnected', 'NATS did not confirm the published messages', { cause }));
      });
    });
    // The server confirms behind what it has sent before.
    this.#subscriptions.deliverAll();
    this.#subscriptions.check();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#outage.end();
    this.#subscriptions.close();
    if (this.#isConnected) {
      const timeout = new AbortController();
      const flushed = this.#connection.flush().catch((err: unknown) => {
        this.#logger?.warn({ err }, 'NATS may not have received the last messages');
      });
      await Promise.race([flushed, delay(CLOSE_FLUSH_TIMEOUT_MS, undefined, timeout).catch(() => undefined)]);
      timeout.abort();
    }
    this.#endWaits(closed());
    await this.#connection.close();
    this.#subscriptions.drop();
  }

  /** Rejects `work` early when the connection breaks or is closed. */
  #wait<T>(start: (resolve: (value: T) => void, reject: (error: KvferryError) => void) => void): Promise<T> {
    let endEarly: (error: KvferryError) => void = () => undefined;
    return new Promise<T>((resolve, reject) => {
      endEarly = reject;
      this.#waits.add(endEarly);
      start(resolve, reject);
    }).finally(() => this.#waits.delete(endEarly));
  }

  #endWaits(error: KvferryError): void {
    for (const endEarly of this.#waits) endEarly(error);
    this.#questions.rejectAll(error);
  }

  #deliver(handler: (message: ControlMessage) => void, message: Msg): void {
    try {
      handler({
        subject: message.subject,
        body: message.string(),
        // Parsed only when read.
        get headers() {
          return fromNats(message);
        },
        respond: this.#respondTo(message.subject, message.reply ?? ''),
      });
    } catch (error) {
      // An error thrown here would end the NATS client's reader silently. It is a broken invariant, so it must be visible.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** A function that does not keep the message. */
  #respondTo(subject: string, reply: string): (body: string) => void {
    return (body) => {
      this.#checkSize(subject, body);
      if (this.#isConnected && this.#closing === undefined && isInbox(reply)) this.#connection.publish(reply, body);
    };
  }

  async #watch(changes: AsyncIterable<Status>): Promise<void> {
    for await (const change of changes) {
      if (change.type === 'disconnect') this.#disconnected();
      else if (change.type === 'reconnect') this.#reconnected();
      // The client would first wait until everything is sent, and a server that stands still takes nothing.
      else if (change.type === 'staleConnection') breakConnection(this.#connection);
      else if (change.type === 'error' && !isRefusedSubscription(change.error)) {
        this.#refused(change.error);
        const reason = await refusalOf(change.error, [], this.#access);
        if (this.#isConnected || this.#outage.isNews(reason)) this.#errors.log(performance.now(), reason);
      }
    }
  }

  /** A message that NATS does not pass on has no answer. */
  #refused(error: Error): void {
    const subject = refusedPublication(error);
    if (subject === undefined) return;
    this.#questions.refused(subject, error);
    for (const [refuse, asked] of this.#collecting) if (asked === subject) refuse(publicationRefused(subject, error));
  }

  /** The NATS client reports every failed attempt as an outage of its own. */
  #disconnected(): void {
    if (this.#closing !== undefined || !this.#isConnected) return;
    this.#subscriptions.deliverAll();
    this.#isConnected = false;
    this.#outage.begin();
    this.#logger?.warn({}, 'NATS is disconnected');
    this.#endWaits(disconnected());
    this.#report();
  }

  #reconnected(): void {
    if (this.#closing !== undefined || this.#isConnected) return;
    this.#isConnected = true;
    this.#outage.end();
    this.#logger?.info({ server: this.#connection.getServer() }, 'NATS is connected again');
    this.#dialled();
    for (const { subject, body, headers } of this.#outbox.empty()) {
      this.#connection.publish(subject, body, toNats(headers));
    }
    this.#report();
  }

  /** There is a new connection. */
  #dialled(): void {
    preferOthers(this.#connection, this.#servers);
    const { max_payload: bytesMax = MESSAGE_BYTES_MAX } = this.#connection.info ?? {};
    if (bytesMax >= MESSAGE_BYTES_MAX) return;
    const message = 'max_payload of the NATS server is too small: set it to 1 MiB, or large requests fail';
    this.#logger?.warn({ bytesMax, needed: MESSAGE_BYTES_MAX }, message);
  }

  /** A connection without some of its subscriptions is of no use. */
  #report(): void {
    const status = this.#isConnected && !this.#subscriptions.areRefused ? 'connected' : 'disconnected';
    if (status === this.#reported || this.#closing !== undefined) return;
    this.#reported = status;
    for (const listener of this.#listeners) listener(status);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined || this.#connection.isClosed()) throw closed();
  }

  #checkConnected(): void {
    this.#checkOpen();
    if (!this.#isConnected) throw disconnected();
  }

  #checkSize(subject: string, body: string): number {
    const bytes = Buffer.byteLength(body);
    const bytesMax = this.messageBytesMax;
    if (bytes <= bytesMax) return bytes;
    throw new KvferryError(
      'message_too_large',
      `a message of ${bytes} bytes to ${subject} is larger than the limit of ${bytesMax}: send smaller batches, or fewer keys`,
    );
  }
}
