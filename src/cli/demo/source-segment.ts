/** The memory of one prefill engine: a file in shared memory, cut into slots of one chunk each. */
import { type FileHandle, open } from 'node:fs/promises';
import type { SourceRun } from '../../protocol/fields.js';

interface Waiter {
  readonly count: number;
  readonly resolve: (slots: number[]) => void;
}

export class SourceSegment {
  readonly path: string;
  readonly slots: number;
  readonly slotBytes: number;
  readonly #file: FileHandle;
  readonly #free: number[];
  readonly #waiters: Waiter[] = [];

  private constructor(path: string, slots: number, slotBytes: number, file: FileHandle) {
    this.path = path;
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.#file = file;
    this.#free = Array.from({ length: slots }, (_, slot) => slot);
  }

  static async create(path: string, slots: number, slotBytes: number): Promise<SourceSegment> {
    const file = await open(path, 'wx+');
    await file.truncate(slots * slotBytes);
    return new SourceSegment(path, slots, slotBytes, file);
  }

  get freeSlots(): number {
    return this.#free.length;
  }

  /**
   * Takes slots, waiting in order until there are enough. A prompt takes all it needs at once: two that each hold half
   * of what the other waits for would wait for ever.
   */
  take(count: number): Promise<number[]> {
    return new Promise((resolve) => {
      this.#waiters.push({ count, resolve });
      this.#serve();
    });
  }

  give(slots: readonly number[]): void {
    this.#free.push(...slots);
    this.#serve();
  }

  async write(slot: number, bytes: Buffer): Promise<void> {
    await this.#file.write(bytes, 0, bytes.length, slot * this.slotBytes);
  }

  /** Where chunks of `length` bytes lie, as `put` wants it: neighbours are one run. */
  runs(segment: string, slots: readonly number[], length: number): SourceRun[] {
    const runs: SourceRun[] = [];
    for (const slot of slots) {
      const offset = slot * this.slotBytes;
      const last = runs.at(-1);
      if (last !== undefined && last.offset + last.count * this.slotBytes === offset) last.count += 1;
      else runs.push({ segment, offset, length, count: 1, stride: this.slotBytes });
    }
    return runs;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #serve(): void {
    for (;;) {
      const next = this.#waiters[0];
      if (next === undefined || next.count > this.#free.length) return;
      this.#waiters.shift();
      next.resolve(this.#free.splice(0, next.count).sort((a, b) => a - b));
    }
  }
}
