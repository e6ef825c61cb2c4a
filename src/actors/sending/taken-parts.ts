/**
 * What a sender does with the chunks that were handed over to one request. A part is *offered*, and *taken* when its write begins;
 * until then it can still be refused. It answers a repeated hand-over, also after the transfer has ended, because the receiver
 * frees no page whose writer may have written (P29). A part that was refused once stays refused.
 */
import type { Body } from '../../protocol/body.js';
import type { KvferryError } from '../../protocol/errors.js';
import type { PeerReply } from '../../protocol/peer-messages.js';

type Answer = Body<PeerReply<'handover'>>;

/** A part that waits for its turn to be written. */
interface Offer {
  readonly batch: number;
  readonly answer: Promise<Answer>;
  take(): void;
  refuse(refusal: KvferryError): void;
}

export class TakenParts {
  readonly #offers = new Map<string, Offer>();
  readonly #answers = new Map<string, Answer>();
  readonly #refusals = new Map<string, KvferryError>();

  get isEmpty(): boolean {
    return this.#answers.size === 0 && this.#refusals.size === 0;
  }

  /** The part waits to be written. Resolves when it is taken, and rejects when it is refused. */
  offer(batch: number, part: number): Promise<Answer> {
    let take: Offer['take'] = () => undefined;
    let refuse: Offer['refuse'] = () => undefined;
    const answer = new Promise<Answer>((resolve, reject) => {
      take = () => resolve({ state: 'taken' });
      refuse = reject;
    });
    this.#offers.set(nameOf(batch, part), { batch, answer, take, refuse });
    return answer;
  }

  /** The write of the part begins. */
  take(batch: number, part: number): void {
    const name = nameOf(batch, part);
    this.#answers.set(name, { state: 'taken' });
    this.#offers.get(name)?.take();
    this.#offers.delete(name);
  }

  /** The write of the part has ended. */
  ended(batch: number, part: number, answer: Answer): void {
    const name = nameOf(batch, part);
    if (this.#answers.has(name)) this.#answers.set(name, answer);
  }

  /** The part is not taken, and never will be. Returns the refusal. */
  refuse(batch: number, part: number, refusal: KvferryError): KvferryError {
    const name = nameOf(batch, part);
    this.#refusals.set(name, refusal);
    this.#offers.get(name)?.refuse(refusal);
    this.#offers.delete(name);
    return refusal;
  }

  /** The transfer of the batch has ended: it does not write what still waits. */
  refuseOffers(batch: number, refusal: KvferryError): void {
    for (const [name, offer] of [...this.#offers]) {
      if (offer.batch !== batch) continue;
      this.#refusals.set(name, refusal);
      offer.refuse(refusal);
      this.#offers.delete(name);
    }
  }

  /** The answer to a repeated hand-over; undefined for a new one. Throws when the part was refused. */
  answer(batch: number, part: number): Answer | Promise<Answer> | undefined {
    const name = nameOf(batch, part);
    const refusal = this.#refusals.get(name);
    if (refusal !== undefined) throw refusal;
    return this.#answers.get(name) ?? this.#offers.get(name)?.answer;
  }
}

function nameOf(batch: number, part: number): string {
  return `${batch}/${part}`;
}
