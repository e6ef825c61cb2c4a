/**
 * Base class for decorators of the control port: it passes every call on to the port inside, and a decorator overrides
 * what it changes.
 */
import type { MessageHeaders } from '../protocol/headers.js';
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestAllOptions,
  RequestOptions,
} from './control.js';

export class ForwardingControl implements ControlPort {
  readonly #control: ControlPort;

  constructor(control: ControlPort) {
    this.#control = control;
  }

  get messageBytesMax(): number {
    return this.#control.messageBytesMax;
  }

  request(subject: string, body: string, options: RequestOptions): Promise<string> {
    return this.#control.request(subject, body, options);
  }

  requestAll(subject: string, body: string, options: RequestAllOptions): Promise<string[]> {
    return this.#control.requestAll(subject, body, options);
  }

  publish(subject: string, body: string, headers?: MessageHeaders): void {
    this.#control.publish(subject, body, headers);
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    return this.#control.subscribe(subject, handler);
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#control.onStatus(listener);
  }

  reconnect(): void {
    this.#control.reconnect();
  }

  flush(): Promise<void> {
    return this.#control.flush();
  }

  close(): Promise<void> {
    return this.#control.close();
  }
}
