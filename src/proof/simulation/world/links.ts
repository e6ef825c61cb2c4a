/** Which heartbeats arrived when, to tell who could not hear whom for so long that it had to hold the other for lost. */

import { subjects } from '../../../protocol/subjects.js';
import type { Envelope, Fate } from '../memory-control.js';
import { HEARTBEAT_MS } from './timing.js';

/** From a heartbeat that is lost until its absence is noticed it takes at least so long. */
const SILENT_MS = 1.8 * HEARTBEAT_MS;

interface Passage {
  readonly sentMs: number;
  /** Infinite when it was lost. */
  readonly arrivesMs: number;
}

export class Links {
  readonly #passages = new Map<string, Passage[]>();

  note({ from, to, subject }: Envelope, nowMs: number, { copies, delayMs }: Fate): void {
    if (subject !== subjects.heartbeat(from)) return;
    const link = `${from} ${to}`;
    const passages = this.#passages.get(link) ?? [];
    passages.push({ sentMs: nowMs, arrivesMs: copies === 0 ? Number.POSITIVE_INFINITY : nowMs + delayMs });
    this.#passages.set(link, passages);
  }

  /** Was something said, and nothing heard for that long, although nobody was dead, stopped or cut off? */
  wereSilent(from: string, to: string): boolean {
    const passages = this.#passages.get(`${from} ${to}`) ?? [];
    const arrivals = passages.map(({ arrivesMs }) => arrivesMs).sort((a, b) => a - b);
    return passages.some(({ sentMs }, index) => {
      const next = arrivals.find((arrivesMs) => arrivesMs >= sentMs) ?? Number.POSITIVE_INFINITY;
      return next - sentMs >= SILENT_MS || (isLate(passages[index]) && isLate(passages[index + 1]));
    });
  }
}

/** An answer that takes so long comes when nobody waits for it. */
function isLate(passage: Passage | undefined): boolean {
  return passage !== undefined && passage.arrivesMs - passage.sentMs > HEARTBEAT_MS;
}
