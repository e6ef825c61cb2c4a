/** The control port of a replay. It answers from the recording and sends no message. */
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestAllOptions,
  RequestOptions,
} from '../../ports/control.js';
import type { Output } from '../recording/record.js';
import { type Questions, toError } from './questions.js';
import type { ReplayTurn } from './replay-turn.js';

interface Subscription {
  readonly subject: string;
  readonly handler: (message: ControlMessage) => void;
}

export class ReplayControl implements ControlPort {
  readonly messageBytesMax: number;
  readonly #turn: ReplayTurn;
  readonly #questions: Questions;
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners: ((status: ControlStatus) => void)[] = [];

  constructor(turn: ReplayTurn, questions: Questions, messageBytesMax: number) {
    this.#turn = turn;
    this.#questions = questions;
    this.messageBytesMax = messageBytesMax;
  }

  async request(subject: string, body: string, { timeoutMs }: RequestOptions): Promise<string> {
    return this.#questions.ask('request', { subject, body, timeoutMs }).answer;
  }

  async requestAll(subject: string, body: string, options: RequestAllOptions): Promise<string[]> {
    return this.#questions.ask('request.all', { subject, body, ...options }).answer;
  }

  publish(subject: string, body: string): void {
    this.#now({ out: 'publish', subject, body });
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    const subscription = { subject, handler };
    this.#subscriptions.add(subscription);
    this.#turn.note({ out: 'subscribe', subject });
    return {
      close: () => {
        if (this.#subscriptions.delete(subscription)) this.#turn.note({ out: 'unsubscribe', subject });
      },
    };
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  reconnect(): void {
    this.#turn.note({ out: 'reconnect' });
  }

  async flush(): Promise<void> {
    return this.#questions.ask('flush', {}).answer;
  }

  async close(): Promise<void> {
    return this.#questions.ask('control.close', {}).answer;
  }

  /** Delivers the message of a step to the subscription of `to`. False when there is none. */
  deliver(to: string, subject: string, body: string, step: number): boolean {
    return this.hand(to, {
      subject,
      body,
      respond: (answer) => this.#now({ out: 'respond', message: step, body: answer }),
    });
  }

  /** Passes a message to the subscription of `to`. False when there is none. */
  hand(to: string, message: ControlMessage): boolean {
    const found = [...this.#subscriptions].find((subscription) => subscription.subject === to);
    found?.handler(message);
    return found !== undefined;
  }

  changed(status: ControlStatus): void {
    for (const listener of this.#listeners) listener(status);
  }

  /** Throws the recorded error of the same call. */
  #now(output: Extract<Output, { out: 'publish' | 'respond' }>): void {
    const failed = this.#turn.recorded?.outputs.find(
      (recorded): recorded is typeof output =>
        recorded.out === output.out && recorded.error !== undefined && recorded.body === output.body,
    );
    if (failed?.error === undefined) {
      this.#turn.note(output);
      return;
    }
    this.#turn.note({ ...output, error: failed.error });
    throw toError(failed.error);
  }
}
