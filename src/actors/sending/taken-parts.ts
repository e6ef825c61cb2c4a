/**
 * What a sender has done with the chunks that were handed over to one request. It answers a repeated hand-over, also after
 * the transfer has ended, because the receiver frees no page whose writer may have written (P29). A part that was refused once
 * stays refused.
 */
import type { Body } from '../../protocol/body.js';
import type { KvferryError } from '../../protocol/errors.js';
import type { PeerReply } from '../../protocol/peer-messages.js';

type Answer = Body<PeerReply<'handover'>>;

export class TakenParts {
  readonly #answers = new Map<string, Answer>();
  readonly #refusals = new Map<string, KvferryError>();

  get isEmpty(): boolean {
    return this.#answers.size === 0 && this.#refusals.size === 0;
  }

  take(batch: number, part: number): void {
    this.#answers.set(nameOf(batch, part), { state: 'taken' });
  }

  /** The write of the part has ended. */
  ended(batch: number, part: number, answer: Answer): void {
    const name = nameOf(batch, part);
    if (this.#answers.has(name)) this.#answers.set(name, answer);
  }

  /** The part is not taken, and never will be. Returns the refusal. */
  refuse(batch: number, part: number, refusal: KvferryError): KvferryError {
    this.#refusals.set(nameOf(batch, part), refusal);
    return refusal;
  }

  /** The answer to a repeated hand-over; undefined for a new one. Throws when the part was refused. */
  answer(batch: number, part: number): Answer | undefined {
    const name = nameOf(batch, part);
    const refusal = this.#refusals.get(name);
    if (refusal !== undefined) throw refusal;
    return this.#answers.get(name);
  }
}

function nameOf(batch: number, part: number): string {
  return `${batch}/${part}`;
}
