/** Behaves like a router: knows which requests are under way and hears how they end, once each. */
import type { KvferryClient } from '../../client/kvferry-client.js';
import type { ControlSubscription } from '../../ports/control.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Violations } from './violations.js';

export interface Ending {
  readonly event: TerminalEvent;
  readonly heardAtMs: number;
}

export class Router {
  readonly #subscription: ControlSubscription;
  readonly #waiting = new Map<string, (ending: Ending) => void>();

  constructor(client: KvferryClient, violations: Violations) {
    this.#subscription = client.onTerminal(
      (event) => this.#heard(event),
      ({ request, end }) => violations.add(`a second terminal event of ${request} says ${end}`),
    );
  }

  /** Resolves when the request ends. To be called before its first batch is put. */
  expect(request: string): Promise<Ending> {
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve);
    });
  }

  /** Nobody waits for its end any more. */
  forget(request: string): void {
    this.#waiting.delete(request);
  }

  close(): void {
    this.#subscription.close();
  }

  #heard(event: TerminalEvent): void {
    const { request } = event;
    const resolve = this.#waiting.get(request);
    if (resolve === undefined) return;
    this.#waiting.delete(request);
    resolve({ event, heardAtMs: performance.now() });
  }
}
