/** Records when heartbeats arrived, to tell which agents had to declare each other dead because of lost heartbeats. */

import { subjects } from '../../../protocol/subjects.js';
import type { Envelope, Fate } from '../memory-control.js';
import { HEARTBEAT_MS } from './timing.js';

/** Shortest time from a lost heartbeat until its receiver notices. */
const SILENT_MS = 1.8 * HEARTBEAT_MS;

interface Passage {
  readonly sentMs: number;
  /** Infinite for a lost heartbeat. */
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

  /** True if heartbeats of `from` were lost or late so long that `to` had to declare `from` dead, although `from` was well. */
  wereSilent(from: string, to: string): boolean {
    const passages = this.#passages.get(`${from} ${to}`) ?? [];
    const arrivals = passages.map(({ arrivesMs }) => arrivesMs).sort((a, b) => a - b);
    return passages.some(({ sentMs }, index) => {
      const next = arrivals.find((arrivesMs) => arrivesMs >= sentMs) ?? Number.POSITIVE_INFINITY;
      return next - sentMs >= SILENT_MS || (isLate(passages[index]) && isLate(passages[index + 1]));
    });
  }
}

/** An answer that takes this long arrives after the agent has stopped waiting for it. */
function isLate(passage: Passage | undefined): boolean {
  return passage !== undefined && passage.arrivesMs - passage.sentMs > HEARTBEAT_MS;
}
