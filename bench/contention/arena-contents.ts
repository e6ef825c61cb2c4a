/** The true contents of the pages. Only readers see them. Nothing here prevents a write: that is the task of the systems. */
import type { Timeline } from './timeline.js';

/** 32 MiB at 10 GB/s, rounded. */
const WRITE_MS_PER_PAGE = 3;

export interface PlacedKey {
  readonly key: string;
  readonly page: number;
}

export class ArenaContents {
  readonly #timeline: Timeline;
  readonly #keys = new Map<number, string>();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** Writes page by page. A write that has started runs to its end. A page holds nothing while it is written. */
  write(places: readonly PlacedKey[], done: () => void): void {
    const [first, ...rest] = places;
    if (first === undefined) {
      done();
      return;
    }
    this.#keys.delete(first.page);
    this.#timeline.after(WRITE_MS_PER_PAGE, () => {
      this.#keys.set(first.page, first.key);
      this.write(rest, done);
    });
  }

  holds({ key, page }: PlacedKey): boolean {
    return this.#keys.get(page) === key;
  }
}
