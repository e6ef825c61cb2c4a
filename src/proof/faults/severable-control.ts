/**
 * A control port whose line can be cut, as if the network had gone away. It is to its user what NATS is during an outage:
 * it says so, questions under way are rejected `disconnected`, nothing comes in, answers are lost, and what is published is
 * kept and sent when the line is mended.
 */
import type { Logger } from 'pino';
import type { ControlMessage, ControlPort, ControlStatus, ControlSubscription } from '../../ports/control.js';
import { KvferryError } from '../../protocol/errors.js';
import { MESSAGE_BYTES_MAX } from '../../protocol/limits.js';

/** Bytes of messages that are kept while the line is cut; more drop the oldest. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

/** Whatever a message consists of, it is passed on as it is. */
type Publication = Parameters<ControlPort['publish']>;

export class SeverableControl implements ControlPort {
  readonly #control: ControlPort;
  readonly #logger: Logger;
  readonly #listeners: ((status: ControlStatus) => void)[] = [];
  /** Those that cut the line, and have not mended it. */
  readonly #cuts = new Set<symbol>();
  /** How to end each question that is under way. */
  readonly #waits = new Set<(error: KvferryError) => void>();
  readonly #kept: { readonly publication: Publication; readonly bytes: number }[] = [];
  #keptBytes = 0;
  /** Of the line below. */
  #status: ControlStatus = 'connected';
  #isClosed = false;

  constructor(control: ControlPort, logger: Logger) {
    this.#control = control;
    this.#logger = logger;
    control.onStatus((status) => {
      this.#status = status;
      if (!this.isCut) this.#report();
    });
  }

  get isCut(): boolean {
    return this.#cuts.size > 0;
  }

  /** Cuts the line until the returned function is called; with several cuts, until all of them have been mended. */
  cut(): () => void {
    const wasConnected = this.#isConnected;
    const cut = Symbol('cut');
    this.#cuts.add(cut);
    for (const reject of [...this.#waits]) reject(disconnected());
    if (wasConnected) this.#report();
    return () => {
      if (this.#cuts.delete(cut) && !this.isCut) this.#mended();
    };
  }

  request(...question: Parameters<ControlPort['request']>): Promise<string> {
    return this.#ask(() => this.#control.request(...question));
  }

  requestAll(...question: Parameters<ControlPort['requestAll']>): Promise<string[]> {
    return this.#ask(() => this.#control.requestAll(...question));
  }

  publish(...publication: Publication): void {
    if (!this.isCut || this.#isClosed) this.#control.publish(...publication);
    else this.#keep(publication);
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    return this.#control.subscribe(subject, (message) => {
      if (this.isCut) return;
      const respond = (answer: string) => {
        if (!this.isCut) message.respond(answer);
      };
      handler({ ...message, respond });
    });
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  flush(): Promise<void> {
    return this.#ask(() => this.#control.flush());
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#takeKept();
    return this.#control.close();
  }

  get #isConnected(): boolean {
    return this.#status === 'connected' && !this.isCut;
  }

  /** A question that ends early, rejected, when the line is cut. */
  #ask<T>(begin: () => Promise<T>): Promise<T> {
    // A closed port rejects by itself.
    if (!this.isCut || this.#isClosed) return this.#severable(begin());
    return Promise.reject(disconnected());
  }

  #severable<T>(asked: Promise<T>): Promise<T> {
    let reject: (error: KvferryError) => void = () => undefined;
    const severed = new Promise<never>((_, rejected) => {
      reject = rejected;
    });
    this.#waits.add(reject);
    return Promise.race([asked, severed]).finally(() => this.#waits.delete(reject));
  }

  #keep(publication: Publication): void {
    const [subject, body] = publication;
    const bytes = Buffer.byteLength(body);
    if (bytes > MESSAGE_BYTES_MAX) {
      const message = `a message of ${bytes} bytes to ${subject} is more than ${MESSAGE_BYTES_MAX}`;
      throw new KvferryError('message_too_large', message);
    }
    this.#kept.push({ publication, bytes });
    this.#keptBytes += bytes;
    while (this.#keptBytes > KEPT_BYTES_MAX) {
      const dropped = this.#kept.shift();
      this.#keptBytes -= dropped?.bytes ?? 0;
      this.#logger.warn(
        { subject: dropped?.publication[0] },
        'message dropped: the line is cut and too many are waiting',
      );
    }
  }

  #takeKept(): Publication[] {
    this.#keptBytes = 0;
    return this.#kept.splice(0).map(({ publication }) => publication);
  }

  #mended(): void {
    for (const publication of this.#takeKept()) {
      try {
        this.#control.publish(...publication);
      } catch (err) {
        this.#logger.warn(
          { subject: publication[0], err },
          'message dropped: it could not be sent when the line was mended',
        );
      }
    }
    if (this.#isConnected) this.#report();
  }

  #report(): void {
    if (this.#isClosed) return;
    const status = this.#isConnected ? 'connected' : 'disconnected';
    for (const listener of this.#listeners) listener(status);
  }
}

function disconnected(): KvferryError {
  return new KvferryError('disconnected', 'the line to NATS is cut');
}
