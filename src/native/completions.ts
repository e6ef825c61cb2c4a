/**
 * The calls of one engine that have begun and not completed.
 *
 * Ownership: the addon holds the engine's callback, and the callback holds this table only. If it held the fabric, a
 * fabric without users could not be collected.
 */
import { fromRejection, toKvferryError } from './native-errors.js';

/** The end of a call that was begun with an id. `code` is `ok` or an error code of the protocol. */
export interface Completion {
  readonly code: string;
  readonly message: string;
  readonly bytes: number;
  readonly stopped: boolean;
  readonly drained: boolean;
  readonly handle: number;
  readonly text: string;
}

const LAST_ID = 0xffffffff;

/** The numbers of a record, as `cc/core/outbox.cc` writes them: id, code, bytes, flags, handle. */
const NUMBERS_PER_RECORD = 5;
/** Bits of the flags. With the last two, the record has a message and a text, in this order, among the texts. */
const STOPPED = 1;
const DRAINED = 2;
const HAS_MESSAGE = 4;
const HAS_TEXT = 8;

export class Completions {
  readonly #codes: readonly string[];
  readonly #pending = new Map<number, (completion: Completion) => void>();
  #lastId = 0;

  constructor(codes: readonly string[]) {
    this.#codes = codes;
  }

  /** A new id for a call, and a promise of what `use` makes of its completion, whatever its code. */
  expect<T>(use: (completion: Completion) => T): { readonly id: number; readonly completed: Promise<T> } {
    this.#lastId = (this.#lastId % LAST_ID) + 1;
    const id = this.#lastId;
    const completed = new Promise<T>((resolve) => {
      this.#pending.set(id, (completion) => resolve(use(completion)));
    });
    return { id, completed };
  }

  /** Begins the call of that id. What the addon throws is the completion. */
  begin(id: number, call: () => void): void {
    try {
      call();
    } catch (error) {
      const { code, message } = fromRejection(error);
      this.#end(id, { code, message, bytes: 0, stopped: false, drained: true, handle: 0, text: '' });
    }
  }

  /** Begins a call and waits for its completion. Rejects when the code is not `ok`. */
  async of(call: (id: number) => void): Promise<Completion> {
    const { id, completed } = this.expect((completion) => completion);
    this.begin(id, () => call(id));
    const completion = await completed;
    if (completion.code !== 'ok') throw toKvferryError(completion.code, completion.message);
    return completion;
  }

  /** Called by the addon. */
  take(records: Float64Array, count: number, texts: readonly string[] = []): void {
    let taken = 0;
    const nextText = () => texts[taken++] ?? '';
    for (let index = 0; index < count; index += 1) {
      const numberAt = (place: number) => records[index * NUMBERS_PER_RECORD + place] ?? 0;
      const flags = numberAt(3);
      this.#end(numberAt(0), {
        code: this.#codes[numberAt(1)] ?? 'internal',
        message: (flags & HAS_MESSAGE) === 0 ? '' : nextText(),
        bytes: numberAt(2),
        stopped: (flags & STOPPED) !== 0,
        drained: (flags & DRAINED) !== 0,
        handle: numberAt(4),
        text: (flags & HAS_TEXT) === 0 ? '' : nextText(),
      });
    }
  }

  #end(id: number, completion: Completion): void {
    const resolve = this.#pending.get(id);
    this.#pending.delete(id);
    resolve?.(completion);
  }
}
