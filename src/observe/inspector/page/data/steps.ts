/** Finds the time of the next or the previous entry. */
import { type EntryView, paths } from '../../feed.js';
import { ENTRIES_ASKED_MAX, STEP_STRETCH_MS, STEP_TRIES_MAX } from '../limits.js';
import { address, ask } from './api.js';

/** Entries at the same time are one step. This is less than the difference of any two times. */
const APART_MS = 0.001;

export type AskForEntries = (parameters: Readonly<Record<string, number>>) => Promise<readonly EntryView[]>;

const askForEntries: AskForEntries = (parameters) => ask(address(paths.entries, parameters));

/** The server answers the newest entries of a list, so one is enough. */
export async function stepBack(atMs: number, entries = askForEntries): Promise<number | undefined> {
  const [before] = await entries({ toMs: atMs - APART_MS, limit: 1 });
  return before?.timeMs;
}

/** Searches longer and longer spans, and shorter ones if a span has more entries than one answer. */
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
