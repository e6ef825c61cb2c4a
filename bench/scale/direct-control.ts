/** A control port without a network: what an agent is told is handed to it, and what it answers is handed back. */
import type { ControlMessage, ControlPort, ControlSubscription } from '../../src/ports/control.js';
import { KvferryError } from '../../src/protocol/errors.js';

export class DirectControl implements ControlPort {
  readonly #handlers = new Map<string, (message: ControlMessage) => void>();

  /** Tells whoever has subscribed to that pattern; resolves with the answer. */
  deliver(pattern: string, subject: string, body: string): Promise<string> {
    const handler = this.#handlers.get(pattern);
    if (handler === undefined) throw new KvferryError('no_responders', `nobody listens on ${pattern}`);
    return new Promise((resolve) => handler({ subject, body, respond: resolve }));
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    this.#handlers.set(subject, handler);
    return { close: () => void this.#handlers.delete(subject) };
  }

  async request(subject: string): Promise<string> {
    throw new KvferryError('no_responders', `nobody listens on ${subject}`);
  }

  async requestAll(): Promise<string[]> {
    return [];
  }

  publish(): void {
    // Nobody listens.
  }

  onStatus(): void {
    // It never changes.
  }

  async flush(): Promise<void> {
    // Nothing is under way.
  }

  async close(): Promise<void> {
    this.#handlers.clear();
  }
}
