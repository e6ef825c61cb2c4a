/**
 * The questions of the agent during a replay. A recorded question gets its recorded answer at the recorded time. A question
 * that was not recorded gets the answer of a world without listeners.
 */
import { type ErrorCode, KvferryError } from '../../protocol/errors.js';
import type { Answer, Call, PortError } from '../recording/record.js';
import type { Foresight } from './foresight.js';
import type { ReplayClock } from './replay-clock.js';
import type { ReplayTurn } from './replay-turn.js';

interface Asked {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export interface Question<C extends Call> {
  readonly name: string;
  /** True if the recording has this question. */
  readonly isRecorded: boolean;
  readonly answer: Promise<Answer<C>>;
}

export class Questions {
  readonly #turn: ReplayTurn;
  readonly #clock: ReplayClock;
  readonly #foresight: Foresight;
  readonly #open = new Map<string, Asked>();
  #unheard = 0;

  constructor(turn: ReplayTurn, clock: ReplayClock, foresight: Foresight) {
    this.#turn = turn;
    this.#clock = clock;
    this.#foresight = foresight;
  }

  /** Throws the recorded error of a question that was refused at once. */
  ask<C extends Call>(call: C, args: Record<string, unknown>): Question<C> {
    const recorded = this.#foresight.asked(call, args);
    const name = recorded?.question ?? this.#unheardName();
    const asked = { out: 'ask', question: name, call, with: args } as const;
    if (recorded?.threw !== undefined) {
      this.#turn.note({ ...asked, error: recorded.threw });
      throw toError(recorded.threw);
    }
    this.#turn.note(asked);
    const answer = new Promise<unknown>((resolve, reject) => this.#open.set(name, { resolve, reject }));
    if (recorded === undefined) this.#answerUnheard(name, call, args);
    return { name, isRecorded: recorded !== undefined, answer: answer as Promise<Answer<C>> };
  }

  /** Delivers the recorded answer. False when the replayed agent has not asked. */
  answer(name: string, value: unknown, error: PortError | undefined): boolean {
    const asked = this.#open.get(name);
    if (asked === undefined) return false;
    this.#open.delete(name);
    if (error === undefined) asked.resolve(value);
    else asked.reject(toError(error));
    return true;
  }

  #answerUnheard(name: string, call: Call, args: Record<string, unknown>): void {
    const { timeoutMs } = args as { timeoutMs?: number };
    const refuse = (code: ErrorCode) => {
      this.answer(name, undefined, { code, message: `the recording has no answer to ${call}` });
    };
    switch (call) {
      case 'request':
        this.#clock.later(() => refuse('deadline_exceeded'), timeoutMs ?? 0);
        return;
      case 'request.all':
        this.#clock.later(() => this.answer(name, [], undefined), timeoutMs ?? 0);
        return;
      case 'connect':
        this.#clock.later(() => refuse('connection_failed'), timeoutMs ?? 0);
        return;
      case 'arena.lost':
        // Never, as far as is known.
        return;
      case 'write':
        // In progress until it is stopped or its connection closes.
        return;
      case 'arena':
      case 'grant':
      case 'attach':
      case 'segment':
        refuse('fabric_error');
        return;
      case 'flush':
      case 'control.close':
      case 'revoke':
      case 'detach':
      case 'disconnect':
      case 'close':
        this.answer(name, undefined, undefined);
        return;
    }
  }

  #unheardName(): string {
    this.#unheard += 1;
    return `unheard.${this.#unheard}`;
  }
}

export function toError({ code, message, field }: PortError): Error {
  // The message names the question.
  if (code === undefined) return Object.assign(new Error(message), { name: '' });
  return new KvferryError(code, message, field === undefined ? {} : { field });
}
