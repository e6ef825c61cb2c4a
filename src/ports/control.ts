/**
 * The control port: messages between agents, engines and routers. Bodies are JSON text, which `src/protocol` defines.
 * The real implementation is NATS (`src/control/nats-control.ts`).
 *
 * Delivery is not reliable: a message can be lost, repeated or late. So the sender of a message that matters gives it a
 * deadline, and an identity that makes a repetition harmless.
 */
import type { MessageHeaders } from '../protocol/headers.js';

export interface ControlMessage {
  readonly subject: string;
  readonly body: string;
  /** If the message has several values for a name, the first one. */
  readonly headers?: MessageHeaders | undefined;
  /**
   * Answers the message. Does nothing if the sender does not expect an answer. Who answers later keeps this function alone, and so
   * neither the body nor the headers.
   */
  readonly respond: (body: string) => void;
}

export interface ControlSubscription {
  close(): void;
}

export type ControlStatus = 'connected' | 'disconnected';

export interface RequestOptions {
  readonly timeoutMs: number;
  /** Sent with the message, except those that `sendableHeaders` drops. */
  readonly headers?: MessageHeaders | undefined;
}

export interface RequestAllOptions {
  readonly timeoutMs: number;
  /** Resolves as soon as so many answers are there. Default: it waits for the whole time. */
  readonly answersMax?: number | undefined;
}

export interface ControlPort {
  /** Bytes that a body may have at most on this connection. A server may allow less than the protocol does. */
  readonly messageBytesMax: number;
  /**
   * Sends a request and waits for one answer. Rejects `no_responders` (the subject has no subscriber at this moment),
   * `publication_refused` (NATS did not pass it on), `deadline_exceeded`, `disconnected`, `message_too_large` or `closed`.
   */
  request(subject: string, body: string, options: RequestOptions): Promise<string>;
  /** Sends a request to every subscriber, and resolves with the answers that arrive within `timeoutMs`. Rejects as `request`. */
  requestAll(subject: string, body: string, options: RequestAllOptions): Promise<string[]>;
  /** Sends a message without an answer. Throws `message_too_large` or `closed`. */
  publish(subject: string, body: string, headers?: MessageHeaders): void;
  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription;
  onStatus(listener: (status: ControlStatus) => void): void;
  /** Gives up the connection, which seems to carry no messages, and opens another one. `onStatus` reports both. */
  reconnect(): void;
  /**
   * Resolves when the server has received every message and subscription so far. Rejects `subscription_refused` while NATS
   * refuses one of them. The port makes it again at intervals and is `disconnected` meanwhile.
   */
  flush(): Promise<void>;
  /** Sends the queued messages, then closes. Idempotent. */
  close(): Promise<void>;
}
