import type { EntryView } from '../../feed.js';

/** Merges the entries of an answer and of the feed, each once, in the order of their times. */
export function joinEntries(asked: readonly EntryView[], heard: readonly EntryView[]): EntryView[] {
  const entries = new Map<string, EntryView>();
  for (const view of [...asked, ...heard]) entries.set(`${view.agent} ${view.agentEpoch} ${view.entry.n}`, view);
  return [...entries.values()].sort((a, b) => a.timeMs - b.timeMs || a.entry.n - b.entry.n);
}
