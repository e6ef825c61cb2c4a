/** A control port that is recorded, except its headers: an agent's behaviour does not depend on them. */
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestAllOptions,
  RequestOptions,
} from '../../ports/control.js';
import { ForwardingControl } from '../../ports/forwarding-control.js';
import type { MessageHeaders } from '../../protocol/headers.js';
import type { Recorder } from './recorder.js';

export class RecordingControl extends ForwardingControl {
  readonly #recorder: Recorder;
  readonly #listeners: ((status: ControlStatus) => void)[] = [];

  constructor(control: ControlPort, recorder: Recorder) {
    super(control);
    this.#recorder = recorder;
    super.onStatus((status) => {
      recorder.arrive({ in: 'status', status }, () => {
        for (const listener of this.#listeners) listener(status);
      });
    });
  }

  override request(subject: string, body: string, options: RequestOptions): Promise<string> {
    return this.#recorder.ask(
      'request',
      { subject, body, timeoutMs: options.timeoutMs },
      {
        begin: () => super.request(subject, body, options),
        record: (answer) => answer,
      },
    );
  }

  override requestAll(subject: string, body: string, options: RequestAllOptions): Promise<string[]> {
    return this.#recorder.ask(
      'request.all',
      { subject, body, ...options },
      {
        begin: () => super.requestAll(subject, body, options),
        record: (found) => found,
      },
    );
  }

  override publish(subject: string, body: string, headers?: MessageHeaders): void {
    const output = { out: 'publish', subject, body } as const;
    this.#recorder.now(output, () => super.publish(subject, body, headers));
  }

  override subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    let isOpen = true;
    this.#recorder.note({ out: 'subscribe', subject });
    const subscription = super.subscribe(subject, (message) => {
      const body = message.body;
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

  override onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  override reconnect(): void {
    this.#recorder.note({ out: 'reconnect' });
    super.reconnect();
  }

  override flush(): Promise<void> {
    return this.#recorder.ask('flush', {}, { begin: () => super.flush() });
  }

  override close(): Promise<void> {
    return this.#recorder.ask('control.close', {}, { begin: () => super.close() });
  }

  /** The message with a recorded `respond`. Called in the message's own turn: `step` is its step. */
  #answering(message: ControlMessage): ControlMessage {
    const { step } = this.#recorder;
    const { subject, body, headers, respond } = message;
    return { subject, body, headers, respond: this.#recorded(step, respond) };
  }

  /** A function that keeps no more of the message than `respond` does. */
  #recorded(step: number, respond: ControlMessage['respond']): ControlMessage['respond'] {
    return (answer) => {
      const output = { out: 'respond', message: step, body: answer } as const;
      this.#recorder.now(output, () => respond(answer));
    };
  }
}
