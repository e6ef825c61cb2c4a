/** From one entry to the next or the one before, in time. */
import { type EntryView, paths } from '../../feed.js';
import { ENTRIES_ASKED_MAX, STEP_STRETCH_MS, STEP_TRIES_MAX } from '../limits.js';
import { address, ask } from './api.js';

/** Entries at the same time are one step. Less than any two times differ by. */
const APART_MS = 0.001;

export type AskForEntries = (parameters: Readonly<Record<string, number>>) => Promise<readonly EntryView[]>;

const askForEntries: AskForEntries = (parameters) => ask(address(paths.entries, parameters));

/** Of longer lists the newest are answered, so one is enough. */
export async function stepBack(atMs: number, entries = askForEntries): Promise<number | undefined> {
  const [before] = await entries({ toMs: atMs - APART_MS, limit: 1 });
  return before?.timeMs;
}

/** Looks through longer and longer stretches, and through shorter ones when one has more entries than are answered. */
export async function stepForward(atMs: number, endMs: number, entries = askForEntries): Promise<number | undefined> {
  let fromMs = atMs + APART_MS;
  let stretchMs = STEP_STRETCH_MS;
  for (let tries = 0; tries < STEP_TRIES_MAX && fromMs <= endMs; tries += 1) {
    const toMs = fromMs + stretchMs;
    const found = await entries({ fromMs, toMs, limit: ENTRIES_ASKED_MAX });
    const next = found.find(({ timeMs }) => timeMs > atMs);
    if (found.length < ENTRIES_ASKED_MAX || stretchMs <= APART_MS) {
      if (next !== undefined) return next.timeMs;
      fromMs = toMs;
      stretchMs *= 8;
    } else {
      stretchMs /= 8;
    }
  }
  return undefined;
}
