/**
 * Requests that wait for their answers. Used instead of the `request` of the NATS client, which makes two errors with stacks and
 * a promise race for each request.
 */
import { randomUUID } from 'node:crypto';
import { createInbox, type Msg } from '@nats-io/transport-node';
import { KvferryError } from '../protocol/errors.js';
import { publicationRefused, unanswered, unsent } from './nats-errors.js';
import { isNoResponders } from './nats-headers.js';

interface Question {
  readonly subject: string;
  readonly timer: NodeJS.Timeout;
  resolve(answer: string): void;
  reject(error: KvferryError): void;
}

export class Questions {
  /** By the last token of the reply subject. */
  readonly #open = new Map<string, Question>();
  readonly #inbox: string;

  /** `inboxPrefix`: the first token of the subjects to which answers come. */
  constructor(inboxPrefix: string) {
    this.#inbox = createInbox(inboxPrefix);
  }

  /** All answers come to this subject. */
  get subject(): string {
    return `${this.#inbox}.*`;
  }

  /** `send` sends the question with that reply subject. */
  ask(subject: string, timeoutMs: number, send: (reply: string) => void): Promise<string> {
    // Every agent may publish answers: one that was asked must not know where the answers of others come (P31).
    const token = randomUUID();
    return new Promise<string>((resolve, reject) => {
      const late = () => this.#take(token)?.reject(unanswered(subject, timeoutMs));
      this.#open.set(token, { subject, timer: setTimeout(late, timeoutMs), resolve, reject });
      try {
        send(`${this.#inbox}.${token}`);
      } catch (cause) {
        this.#take(token)?.reject(unsent(subject, cause));
      }
    });
  }

  /** A late or second answer has no question and is ignored. */
  answered(message: Msg): void {
    const question = this.#take(message.subject.slice(message.subject.lastIndexOf('.') + 1));
    if (question === undefined) return;
    if (isNoResponders(message)) {
      question.reject(new KvferryError('no_responders', `no subscriber on ${question.subject}`));
    } else {
      question.resolve(message.string());
    }
  }

  /** NATS did not pass on a message to `subject`. An earlier question to it may have arrived, so the latest one is meant. */
  refused(subject: string, cause: Error): void {
    const latest = [...this.#open].findLast(([, question]) => question.subject === subject);
    if (latest !== undefined) this.#take(latest[0])?.reject(publicationRefused(subject, cause));
  }

  rejectAll(error: KvferryError): void {
    for (const token of [...this.#open.keys()]) this.#take(token)?.reject(error);
  }

  #take(token: string): Question | undefined {
    const question = this.#open.get(token);
    if (question === undefined) return undefined;
    this.#open.delete(token);
    clearTimeout(question.timer);
    return question;
  }
}
