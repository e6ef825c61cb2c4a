/** The bytes that a probe moves: random pages, each of them different. */
import { randomFillSync } from 'node:crypto';

export class ProbePages {
  readonly #page: Buffer;

  constructor(pageBytes: number) {
    this.#page = randomFillSync(Buffer.allocUnsafe(pageBytes));
  }

  /** The bytes of one page, in a buffer that serves for all pages. */
  bytesOf(page: number): Buffer {
    this.#page.writeUInt32LE(page);
    return this.#page;
  }
}
