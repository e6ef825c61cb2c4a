/**
 * A control port that is recorded. Headers are not: nothing that an agent does depends on them, and a replay would have
 * others.
 */
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestOptions,
} from '../../ports/control.js';
import type { MessageHeaders } from '../../protocol/headers.js';
import type { Recorder } from './recorder.js';

export class RecordingControl implements ControlPort {
  readonly #control: ControlPort;
  readonly #recorder: Recorder;
  readonly #listeners: ((status: ControlStatus) => void)[] = [];

  constructor(control: ControlPort, recorder: Recorder) {
    this.#control = control;
    this.#recorder = recorder;
    control.onStatus((status) => {
      recorder.arrive({ in: 'status', status }, () => {
        for (const listener of this.#listeners) listener(status);
      });
    });
  }

  request(subject: string, body: string, options: RequestOptions): Promise<string> {
    const { redaction } = this.#recorder;
    return this.#recorder.ask(
      'request',
      { subject, body: redaction.body(body), timeoutMs: options.timeoutMs },
      {
        begin: () => this.#control.request(subject, body, options),
        record: (answer) => redaction.body(answer),
      },
    );
  }

  requestAll(subject: string, body: string, options: { readonly timeoutMs: number }): Promise<string[]> {
    const { redaction } = this.#recorder;
    return this.#recorder.ask(
      'request.all',
      { subject, body: redaction.body(body), ...options },
      {
        begin: () => this.#control.requestAll(subject, body, options),
        record: (found) => found.map((answer) => redaction.body(answer)),
      },
    );
  }

  publish(subject: string, body: string, headers?: MessageHeaders): void {
    const output = { out: 'publish', subject, body: this.#recorder.redaction.body(body) } as const;
    this.#recorder.now(output, () => this.#control.publish(subject, body, headers));
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    let isOpen = true;
    this.#recorder.note({ out: 'subscribe', subject });
    const subscription = this.#control.subscribe(subject, (message) => {
      const body = this.#recorder.redaction.body(message.body);
      const input = { in: 'message', to: subject, subject: message.subject, body } as const;
      const deliver = () => handler(this.#answering(message));
      this.#recorder.arrive(input, deliver, () => isOpen);
    });
    return {
      close: () => {
        if (isOpen) this.#recorder.note({ out: 'unsubscribe', subject });
        isOpen = false;
        subscription.close();
      },
    };
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  flush(): Promise<void> {
    return this.#recorder.ask('flush', {}, { begin: () => this.#control.flush() });
  }

  close(): Promise<void> {
    return this.#recorder.ask('control.close', {}, { begin: () => this.#control.close() });
  }

  /** The message in whose turn we are. */
  #answering(message: ControlMessage): ControlMessage {
    const { step, redaction } = this.#recorder;
    const { subject, body, headers } = message;
    const respond = (answer: string) => {
      const output = { out: 'respond', message: step, body: redaction.body(answer) } as const;
      this.#recorder.now(output, () => message.respond(answer));
    };
    return { subject, body, headers, respond };
  }
}
