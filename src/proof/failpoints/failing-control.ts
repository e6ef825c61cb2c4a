/** A control port with failpoints around its messages. A message that fails at one is lost, as on a network. */
import type { ControlMessage, ControlPort, ControlSubscription, RequestOptions } from '../../ports/control.js';
import { ForwardingControl } from '../../ports/forwarding-control.js';
import { KvferryError } from '../../protocol/errors.js';
import type { MessageHeaders } from '../../protocol/headers.js';
import { messageOf } from '../../protocol/subjects.js';
import type { Failpoints } from './failpoints.js';

/** Messages that have no single receiver. */
const ANNOUNCED = new Set(['heartbeat', 'event', 'source']);

export class FailingControl extends ForwardingControl {
  readonly #failpoints: Failpoints;

  constructor(control: ControlPort, failpoints: Failpoints) {
    super(control);
    this.#failpoints = failpoints;
  }

  override async request(subject: string, body: string, options: RequestOptions): Promise<string> {
    await this.#pass(subject, 'sending');
    const answer = await super.request(subject, body, options);
    await this.#pass(subject, 'answered');
    return answer;
  }

  override publish(subject: string, body: string, headers?: MessageHeaders): void {
    const message = messageOf(subject);
    const name = `${message}.${ANNOUNCED.has(message) ? 'publishing' : 'sending'}`;
    // Published at once, so that the caller gets the error of a message that cannot be sent.
    if (!this.#failpoints.isArmed(name)) {
      super.publish(subject, body, headers);
      return;
    }
    void this.#failpoints.reach(name).then((reached) => {
      if (reached === 'pass') super.publish(subject, body, headers);
    });
  }

  override subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    return super.subscribe(subject, (message) => {
      void this.#failpoints.reach(`${messageOf(message.subject)}.received`).then((reached) => {
        if (reached === 'pass') handler(this.#answering(message));
      });
    });
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
