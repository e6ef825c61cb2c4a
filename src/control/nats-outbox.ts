/** Messages that were published during an outage of NATS. They are sent when the connection is back. */
import { headerBytes, type MessageHeaders } from '../protocol/headers.js';

/** Most bytes that are kept. The oldest messages make room. */
const OUTBOX_BYTES_MAX = 8 * 1024 * 1024;

interface Outgoing {
  readonly subject: string;
  readonly body: string;
  readonly headers: MessageHeaders | undefined;
}

export class Outbox {
  readonly #dropped: (subject: string) => void;
  readonly #messages: (Outgoing & { readonly bytes: number })[] = [];
  #bytes = 0;

  constructor(dropped: (subject: string) => void) {
    this.#dropped = dropped;
  }

  /** `bodyBytes`: of the body. */
  keep(message: Outgoing, bodyBytes: number): void {
    const bytes = bodyBytes + headerBytes(message.headers);
    this.#messages.push({ ...message, bytes });
    this.#bytes += bytes;
    while (this.#bytes > OUTBOX_BYTES_MAX) {
      const oldest = this.#messages.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.bytes;
      this.#dropped(oldest.subject);
    }
  }

  /** All of them, oldest first. They are kept no longer. */
  empty(): Outgoing[] {
    this.#bytes = 0;
    return this.#messages.splice(0);
  }
}
