import type { EntryView } from '../../feed.js';

/** Entries that were asked for and entries that were heard: each once, in the order of their times. */
export function joinEntries(asked: readonly EntryView[], heard: readonly EntryView[]): EntryView[] {
  const entries = new Map<string, EntryView>();
  for (const view of [...asked, ...heard]) entries.set(`${view.agent} ${view.agentEpoch} ${view.entry.n}`, view);
  return [...entries.values()].sort((a, b) => a.timeMs - b.timeMs || a.entry.n - b.entry.n);
}
