/**
 * What follows from commands: leases end by time, holders that are gone give back what they hold, safe pages become free,
 * requests learn of chunks that they had joined, chunks are handed over, requests are admitted. Every command does some of
 * it, so that no command takes long. Nothing is decided before it is done (P3): what is left is looked up by the next command.
 */
import type { StoreState } from '../state.js';
import { admitWaiting } from './admit.js';
import { reportJoined } from './commit.js';
import { takeBack } from './end.js';
import { expireLeases } from './expire.js';
import { freeSafePages } from './free-safe-pages.js';
import { handOver } from './hand-over.js';
import { placeAdmitted } from './place.js';

/** `freeBefore`: the number of free pages when the command began. */
export function settle(state: StoreState, freeBefore: number): void {
  const { pages } = state;
  expireLeases(state);
  takeBack(state);
  freeSafePages(state);
  const freed = pages.freeCount - freeBefore;
  if (freed > 0) state.emit({ type: 'pages.freed', count: freed });
  reportJoined(state);
  handOver(state);
  placeAdmitted(state);
  admitWaiting(state);
  // A request that was admitted just now may have joined an entry that no other request can write.
  handOver(state);
}
