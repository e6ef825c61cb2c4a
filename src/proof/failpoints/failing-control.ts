/** A control port with failpoints around it. A message that fails there is lost, as on a network. */
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestOptions,
} from '../../ports/control.js';
import { KvferryError } from '../../protocol/errors.js';
import type { MessageHeaders } from '../../protocol/headers.js';
import { messageOf } from './failpoint-names.js';
import type { Failpoints } from './failpoints.js';

/** Subjects of what nobody in particular is told. */
const ANNOUNCED = new Set(['heartbeat', 'event', 'source']);

export class FailingControl implements ControlPort {
  readonly #control: ControlPort;
  readonly #failpoints: Failpoints;

  constructor(control: ControlPort, failpoints: Failpoints) {
    this.#control = control;
    this.#failpoints = failpoints;
  }

  async request(subject: string, body: string, options: RequestOptions): Promise<string> {
    await this.#pass(subject, 'sending');
    const answer = await this.#control.request(subject, body, options);
    await this.#pass(subject, 'answered');
    return answer;
  }

  requestAll(subject: string, body: string, options: { readonly timeoutMs: number }): Promise<string[]> {
    return this.#control.requestAll(subject, body, options);
  }

  publish(subject: string, body: string, headers?: MessageHeaders): void {
    const message = messageOf(subject);
    const name = `${message}.${ANNOUNCED.has(message) ? 'publishing' : 'sending'}`;
    // Its caller hears of a message that cannot be sent, as without failpoints.
    if (!this.#failpoints.isArmed(name)) {
      this.#control.publish(subject, body, headers);
      return;
    }
    void this.#failpoints.reach(name).then((reached) => {
      if (reached === 'pass') this.#control.publish(subject, body, headers);
    });
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    return this.#control.subscribe(subject, (message) => {
      void this.#failpoints.reach(`${messageOf(message.subject)}.received`).then((reached) => {
        if (reached === 'pass') handler(this.#answering(message));
      });
    });
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#control.onStatus(listener);
  }

  flush(): Promise<void> {
    return this.#control.flush();
  }

  close(): Promise<void> {
    return this.#control.close();
  }

  #answering(message: ControlMessage): ControlMessage {
    const { subject, body, headers } = message;
    const respond = (answer: string) => {
      void this.#failpoints.reach(`${messageOf(subject)}.answering`).then((reached) => {
        if (reached === 'pass') message.respond(answer);
      });
    };
    return { subject, body, headers, respond };
  }

  async #pass(subject: string, stage: 'sending' | 'answered'): Promise<void> {
    const name = `${messageOf(subject)}.${stage}`;
    if ((await this.#failpoints.reach(name)) === 'fail') {
      throw new KvferryError('disconnected', `failpoint ${name} lost the message to ${subject}`);
    }
  }
}
