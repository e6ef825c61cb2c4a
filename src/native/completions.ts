/**
 * The calls of one engine that have begun and not completed.
 *
 * Ownership: the addon holds the engine's callback, and the callback holds this table only. If it held the fabric, a
 * fabric without users could not be collected.
 */
import type { NativeCompletion } from './native.js';
import { toKvferryError } from './native-errors.js';

const LAST_ID = 0xffffffff;

export class Completions {
  readonly #pending = new Map<number, (completion: NativeCompletion) => void>();
  #lastId = 0;

  /** A new id for a call, and a promise of its completion, whatever its code. */
  expect(): { readonly id: number; readonly completed: Promise<NativeCompletion> } {
    this.#lastId = (this.#lastId % LAST_ID) + 1;
    const id = this.#lastId;
    return { id, completed: new Promise((resolve) => this.#pending.set(id, resolve)) };
  }

  /** Begins a call and waits for its completion. Rejects when the code is not `ok`. */
  async of(call: (id: number) => void): Promise<NativeCompletion> {
    const { id, completed } = this.expect();
    call(id);
    const completion = await completed;
    if (completion.code !== 'ok') throw toKvferryError(completion.code, completion.message);
    return completion;
  }

  /** Called by the addon. */
  take(completions: readonly NativeCompletion[]): void {
    for (const completion of completions) {
      const resolve = this.#pending.get(completion.id);
      this.#pending.delete(completion.id);
      resolve?.(completion);
    }
  }
}
