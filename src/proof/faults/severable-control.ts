/**
 * A control port whose line can be cut. A cut line behaves like the NATS client during an outage: the port reports
 * `disconnected`, open requests reject `disconnected`, no message arrives, and answers are lost. Published messages are
 * kept and sent when the line is restored.
 */
import type { Logger } from 'pino';
import type { ControlMessage, ControlPort, ControlStatus, ControlSubscription } from '../../ports/control.js';
import { ForwardingControl } from '../../ports/forwarding-control.js';
import { KvferryError } from '../../protocol/errors.js';
import { MESSAGE_BYTES_MAX } from '../../protocol/limits.js';

/** Most bytes of messages that are kept while the line is cut. Further messages push the oldest ones out. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

type Publication = Parameters<ControlPort['publish']>;

export class SeverableControl extends ForwardingControl {
  readonly #logger: Logger;
  readonly #listeners: ((status: ControlStatus) => void)[] = [];
  /** Cuts that have not been undone. */
  readonly #cuts = new Set<symbol>();
  /** Rejects each open request. */
  readonly #waits = new Set<(error: KvferryError) => void>();
  readonly #kept: { readonly publication: Publication; readonly bytes: number }[] = [];
  #keptBytes = 0;
  /** Status of the control port inside. */
  #status: ControlStatus = 'connected';
  #isClosed = false;

  constructor(control: ControlPort, logger: Logger) {
    super(control);
    this.#logger = logger;
    super.onStatus((status) => {
      this.#status = status;
      if (!this.isCut) this.#report();
    });
  }

  get isCut(): boolean {
    return this.#cuts.size > 0;
  }

  /** Cuts the line and returns a function that undoes the cut. The line is restored when every cut has been undone. */
  cut(): () => void {
    const wasConnected = this.#isConnected;
    const cut = Symbol('cut');
    this.#cuts.add(cut);
    for (const reject of [...this.#waits]) reject(disconnected());
    if (wasConnected) this.#report();
    return () => {
      if (this.#cuts.delete(cut) && !this.isCut) this.#restored();
    };
  }

  override request(...question: Parameters<ControlPort['request']>): Promise<string> {
    return this.#ask(() => super.request(...question));
  }

  override requestAll(...question: Parameters<ControlPort['requestAll']>): Promise<string[]> {
    return this.#ask(() => super.requestAll(...question));
  }

  override publish(...publication: Publication): void {
    if (!this.isCut || this.#isClosed) super.publish(...publication);
    else this.#keep(publication);
  }

  override subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    return super.subscribe(subject, (message) => {
      if (this.isCut) return;
      const respond = (answer: string) => {
        if (!this.isCut) message.respond(answer);
      };
      handler({ ...message, respond });
    });
  }

  override onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  override flush(): Promise<void> {
    return this.#ask(() => super.flush());
  }

  override close(): Promise<void> {
    this.#isClosed = true;
    this.#takeKept();
    return super.close();
  }

  get #isConnected(): boolean {
    return this.#status === 'connected' && !this.isCut;
  }

  /** Starts a request that rejects as soon as the line is cut. */
  #ask<T>(begin: () => Promise<T>): Promise<T> {
    // A closed port itself rejects the request.
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
      const message = `message to ${subject} has ${bytes} bytes, the limit is ${MESSAGE_BYTES_MAX}`;
      throw new KvferryError('message_too_large', message);
    }
    this.#kept.push({ publication, bytes });
    this.#keptBytes += bytes;
    while (this.#keptBytes > KEPT_BYTES_MAX) {
      const dropped = this.#kept.shift();
      this.#keptBytes -= dropped?.bytes ?? 0;
      this.#logger.warn(
        { subject: dropped?.publication[0] },
        'message dropped: the line is cut and too many messages are waiting',
      );
    }
  }

  #takeKept(): Publication[] {
    this.#keptBytes = 0;
    return this.#kept.splice(0).map(({ publication }) => publication);
  }

  #restored(): void {
    for (const publication of this.#takeKept()) {
      try {
        super.publish(...publication);
      } catch (err) {
        this.#logger.warn(
          { subject: publication[0], err },
          'message dropped: sending failed after the line was restored',
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
