/** A program with one user's credentials that says whatever it likes on NATS, and remembers what was refused and what it received. */
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
} from '@nats-io/transport-node';
import { poll } from '../../src/processes/within.js';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { agentInboxOf, clientInboxOf } from '../../src/protocol/subjects.js';
import type { Credentials } from './cluster/deployment.js';
import { isAgent } from './users.js';

const ANSWER_TIMEOUT_MS = 3_000;
const NO_RESPONDERS = 503;

type Fields = Readonly<Record<string, unknown>>;

/** What came of a message. `by`: `permission` of NATS, `no_responders`, or the code of the agent. */
export type Answer =
  | { readonly kind: 'refused'; readonly by: string }
  | { readonly kind: 'accepted'; readonly body: Fields }
  | { readonly kind: 'silence' };

export class Attacker {
  readonly user: string;
  /** What was refused: `permission <subject>`, or `<code> <subject>`. */
  readonly refusals: string[] = [];
  /** What the attacker could read: the bodies of others' messages. */
  readonly heard: string[] = [];
  readonly #connected: NatsConnection | undefined;
  readonly #inbox: string;
  #questions = 0;

  private constructor(user: string, connection?: NatsConnection) {
    this.user = user;
    this.#connected = connection;
    this.#inbox = inboxOf(user);
    if (connection !== undefined) void this.#watch(connection);
  }

  /** Has no credentials. */
  static unconnected(): Attacker {
    return new Attacker('nobody');
  }

  static async connect(user: string, credentials: Credentials): Promise<Attacker> {
    const options = { ...optionsOf(credentials), inboxPrefix: inboxOf(user), name: user };
    return new Attacker(user, await connect(options));
  }

  /** Publishes without a question. */
  async say(subject: string, body: Fields | string | Uint8Array, reply?: string): Promise<void> {
    this.#connection.publish(subject, bytesOf(body), reply === undefined ? {} : { reply });
    await this.settled();
  }

  /** Asks, and waits for the first answer. A refusal is remembered. */
  async ask(subject: string, body: Fields | string | Uint8Array, timeoutMs = ANSWER_TIMEOUT_MS): Promise<Answer> {
    this.#questions += 1;
    const reply = `${this.#inbox}.${this.#questions}`;
    const before = this.refusals.length;
    let answer: Msg | undefined;
    const subscription = this.#connection.subscribe(reply, {
      max: 1,
      callback: (_, message) => {
        answer = message;
      },
    });
    await this.say(subject, body, reply);
    if (this.refusals.length === before) await poll(timeoutMs, async () => answer);
    subscription.unsubscribe();
    if (this.refusals.length > before) return { kind: 'refused', by: 'permission' };
    return this.#judged(subject, answer);
  }

  /** Subscribes, and keeps what arrives that it has not sent itself. */
  async listen(...subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) {
      this.#connection.subscribe(subject, { callback: (error, message) => this.#received(error, message) });
    }
    await this.settled();
  }

  /** Subscribes as a member of a queue group. */
  async listenIn(queue: string, subject: string): Promise<void> {
    this.#connection.subscribe(subject, { queue, callback: (error, message) => this.#received(error, message) });
    await this.settled();
  }

  /** Bytes that NATS lets through in one message. */
  get messageBytesMax(): number {
    return this.#connection.info?.max_payload ?? 0;
  }

  /** Answers questions on a subject, as the agent of that name does. */
  async serve(subject: string, answerOf: (operation: string, body: string) => Fields): Promise<void> {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return;
        this.#keep(message);
        const operation = message.subject.slice(message.subject.lastIndexOf('.') + 1);
        message.respond(bytesOf({ ok: true, ...answerOf(operation, message.string()) }));
      },
    });
    await this.settled();
  }

  /** Resolves when the server has received everything, and its refusals have arrived. */
  async settled(): Promise<void> {
    await this.#connection.flush();
    await nextTurn();
  }

  async close(): Promise<void> {
    await this.#connected?.close();
  }

  /** Tries to connect with other options than its own. Remembers the refusal; resolves with whether NATS let it in. */
  async enter(options: ConnectionOptions, how: string): Promise<boolean> {
    try {
      const connection = await connect({ timeout: ANSWER_TIMEOUT_MS, reconnect: false, ...options });
      await connection.close();
      return true;
    } catch (error) {
      this.refusals.push(`connection ${how}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  }

  /** An error is a subscription that was refused: `#watch` has it too. */
  #received(error: Error | null, message: Msg): void {
    if (error === null) this.#keep(message);
  }

  #keep(message: Msg): void {
    this.heard.push(`${message.subject} ${message.string()}`);
  }

  #judged(subject: string, answer: Msg | undefined): Answer {
    if (answer === undefined) return { kind: 'silence' };
    if (answer.headers?.code === NO_RESPONDERS) return this.#refused('no_responders', subject);
    const body = answer.json<Fields & { ok?: boolean; error?: { code?: string } }>();
    if (body.ok === true) return { kind: 'accepted', body };
    return this.#refused(body.error?.code ?? 'no code', subject);
  }

  #refused(by: string, subject: string): Answer {
    this.refusals.push(`${by} ${subject}`);
    return { kind: 'refused', by };
  }

  get #connection(): NatsConnection {
    if (this.#connected === undefined) throw new Error(`${this.user} has no connection`);
    return this.#connected;
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const change of connection.status()) {
      if (change.type !== 'error' || !(change.error instanceof PermissionViolationError)) continue;
      this.refusals.push(`permission ${change.error.subject}`);
    }
  }
}

/** Of the NATS client. `creds` may be other credentials than those of the user. */
export function optionsOf(
  { servers, access }: Credentials,
  creds = readFileSync(access.creds ?? ''),
): ConnectionOptions {
  return {
    ...{ servers, reconnect: false, timeout: ANSWER_TIMEOUT_MS, authenticator: credsAuthenticator(creds) },
    ...(access.ca === undefined ? {} : { tls: { caFile: access.ca } }),
  };
}

function inboxOf(user: string): string {
  return isAgent(user) ? agentInboxOf(user) : clientInboxOf(user);
}

function bytesOf(body: Fields | string | Uint8Array): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  return JSON.stringify({ v: PROTOCOL_VERSION, ...body });
}
