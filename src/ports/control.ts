/**
 * The control port: messages between agents, engines and routers. Bodies are JSON text; what they mean is
 * `src/protocol`. The real one is NATS (`src/control/nats-control.ts`).
 *
 * Delivery is not trusted: a message can be lost, repeated or late. Whoever sends one that matters gives it a deadline
 * and an identity that makes repeating it harmless.
 */
import type { MessageHeaders } from '../protocol/headers.js';

export interface ControlMessage {
  readonly subject: string;
  readonly body: string;
  /** Of a name that came more than once, the first. */
  readonly headers?: MessageHeaders | undefined;
  /** Answers the message. Does nothing when the sender asked for no answer. */
  respond(body: string): void;
}

export interface ControlSubscription {
  close(): void;
}

export type ControlStatus = 'connected' | 'disconnected';

export interface RequestOptions {
  readonly timeoutMs: number;
  /** Go with the message if they can: `sendableHeaders` says which do. */
  readonly headers?: MessageHeaders | undefined;
}

export interface ControlPort {
  /**
   * Asks and waits for one answer. Rejects `no_responders` (nobody listens on that subject: the addressee is gone),
   * `deadline_exceeded`, `disconnected`, `message_too_large` or `closed`.
   */
  request(subject: string, body: string, options: RequestOptions): Promise<string>;
  /** Asks everyone who listens and collects the answers that come within `timeoutMs`. */
  requestAll(subject: string, body: string, options: { readonly timeoutMs: number }): Promise<string[]>;
  /** Fire and forget; headers as with `request`. Throws `message_too_large` or `closed`. */
  publish(subject: string, body: string, headers?: MessageHeaders): void;
  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription;
  onStatus(listener: (status: ControlStatus) => void): void;
  /** Resolves when everything published and subscribed so far is known to the server. */
  flush(): Promise<void>;
  /** Sends what is queued, then closes. Idempotent. */
  close(): Promise<void>;
}
