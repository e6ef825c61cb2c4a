/** What the pages really hold. Nobody is asked for it but readers, and nobody prevents a write: that is the systems' task. */
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

  /** A write that was started goes on to its end: page by page the old bytes go, and the new ones are there. */
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
