/**
 * The control port: messages between agents, engines and routers. Bodies are JSON text in the format of `src/protocol`. The
 * adapter for NATS is `src/control/nats-control.ts`.
 *
 * The port does not guarantee delivery: a message can be lost, repeated or late. A sender must therefore give an important
 * message a deadline, and an identity that makes a repetition harmless.
 */
import type { MessageHeaders } from '../protocol/headers.js';

export interface ControlMessage {
  readonly subject: string;
  readonly body: string;
  /** Headers by name. If a name occurs more than once, its first value. */
  readonly headers?: MessageHeaders | undefined;
  /** Answers the message. Does nothing if the sender does not expect an answer. */
  respond(body: string): void;
}

export interface ControlSubscription {
  close(): void;
}

export type ControlStatus = 'connected' | 'disconnected';

export interface RequestOptions {
  readonly timeoutMs: number;
  /** Headers to send with the message. `sendableHeaders` selects those that can be sent. */
  readonly headers?: MessageHeaders | undefined;
}

export interface ControlPort {
  /**
   * Sends a request and resolves to the first answer. Rejects `no_responders` (the subject has no subscriber, because the
   * addressee is gone), `deadline_exceeded`, `disconnected`, `message_too_large` or `closed`.
   */
  request(subject: string, body: string, options: RequestOptions): Promise<string>;
  /** Sends a request to all subscribers, and resolves to the answers that arrive within `timeoutMs`. */
  requestAll(subject: string, body: string, options: { readonly timeoutMs: number }): Promise<string[]>;
  /** Sends a message without waiting for delivery. Headers are as in `request`. Throws `message_too_large` or `closed`. */
  publish(subject: string, body: string, headers?: MessageHeaders): void;
  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription;
  onStatus(listener: (status: ControlStatus) => void): void;
  /** Resolves when the server has received all messages and subscriptions so far. */
  flush(): Promise<void>;
  /** Sends all queued messages, then closes. Idempotent. */
  close(): Promise<void>;
}
