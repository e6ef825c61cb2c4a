/** A control port without a network. It passes messages straight to an agent and its answers straight back. */
import type { ControlMessage, ControlPort, ControlSubscription } from '../../src/ports/control.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from '../../src/protocol/limits.js';

export class DirectControl implements ControlPort {
  readonly messageBytesMax = MESSAGE_BYTES_MAX;
  readonly #handlers = new Map<string, (message: ControlMessage) => void>();

  /** Passes a message to the subscriber of that pattern. Resolves with the answer. */
  deliver(pattern: string, subject: string, body: string): Promise<string> {
    const handler = this.#handlers.get(pattern);
    if (handler === undefined) throw new KvferryError('no_responders', `nobody listens on ${pattern}`);
    return new Promise((resolve) => handler({ subject, body, respond: resolve }));
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    this.#handlers.set(subject, handler);
    return { close: () => void this.#handlers.delete(subject) };
  }

  /** Senders agree to every end. No other question has an answer. */
  async request(subject: string): Promise<string> {
    if (subject.endsWith('.confirm')) return JSON.stringify({ v: PROTOCOL_VERSION, ok: true });
    throw new KvferryError('no_responders', `nobody listens on ${subject}`);
  }

  async requestAll(): Promise<string[]> {
    return [];
  }

  publish(): void {
    // There are no subscribers.
  }

  onStatus(): void {
    // The status never changes.
  }

  reconnect(): void {
    // There is no connection.
  }

  async flush(): Promise<void> {
    // No message is under way.
  }

  async close(): Promise<void> {
    this.#handlers.clear();
  }
}
