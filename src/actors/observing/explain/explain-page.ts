/** Explains a page of the arena, or the key of a chunk, from the store of an agent that receives. */
import { defined } from '../../../protocol/defined.js';
import type { Waiting } from '../../../protocol/observation.js';
import { shownKey } from '../../../protocol/shown-text.js';
import { nameOf } from '../../../store/holder.js';
import type { EntryView, PageView } from '../../../store/view.js';
import { type JournalEvent, pageOfKey } from '../journal.js';
import { type Finding, holderRow, type Sources, seconds } from './finding.js';

export function explainKey({ clock, journal, store }: Sources, key: string): Finding[] {
  const isAbout = (event: JournalEvent) => event.kind === 'store' && pageOfKey(event, key) !== undefined;
  const entry = store?.entry(key);
  const last = journal.last(isAbout);
  if (entry === undefined && last === undefined) return [];
  const nowMs = clock.now();
  const common = commonOf('key', key, last, nowMs, isAbout);
  if (entry === undefined)
    return [{ ...common, state: 'absent', summary: `Key ${shownKey(key)} is not in the arena.` }];
  return [{ ...common, ...describeEntry(entry, nowMs) }];
}

export function explainPage({ clock, journal, store }: Sources, page: number): Finding[] {
  const view = store?.page(page);
  if (view === undefined) return [];
  const isAbout = (event: JournalEvent) => event.kind === 'store' && event.pages?.includes(page) === true;
  const nowMs = clock.now();
  const common = commonOf('page', `${page}`, journal.last(isAbout), nowMs, isAbout);
  const { state, generation, entry, quarantine } = view;
  if (quarantine !== undefined) return [{ ...common, state, ...describeQuarantine(page, quarantine, nowMs) }];
  if (entry === undefined) {
    return [{ ...common, state, summary: `Page ${page} is ${state}. It has had ${generation} writers so far.` }];
  }
  const described = describeEntry(entry, nowMs);
  return [{ ...common, ...described, summary: `Page ${page} has generation ${generation}. ${described.summary}` }];
}

function commonOf(
  about: 'key' | 'page',
  name: string,
  last: JournalEvent | undefined,
  nowMs: number,
  isInTrail: (event: JournalEvent) => boolean,
) {
  const inStateMs = last === undefined ? undefined : nowMs - last.atMs;
  return { about, name, side: 'receiver', isInTrail, ...defined({ inStateMs }) } as const;
}

function describeQuarantine(
  page: number,
  { writer, grant, sinceMs }: NonNullable<PageView['quarantine']>,
  nowMs: number,
): Pick<Finding, 'inStateMs' | 'summary' | 'waiting'> {
  const inStateMs = nowMs - sinceMs;
  const text = `${writer} to report that its writes have drained, or remote key ${grant} to be revoked`;
  const summary = `Page ${page} has been quarantined for ${seconds(inStateMs)}. It waits for ${text}.`;
  return { inStateMs, summary, waiting: { gate: 'fabric', text } };
}

function describeEntry(
  { key, length, state, page, writer, holders, joiners }: EntryView,
  nowMs: number,
): Pick<Finding, 'state' | 'summary' | 'holders'> & { waiting?: Waiting } {
  const place = page === undefined ? 'no page' : `page ${page}`;
  const what = `Key ${shownKey(key)} (${length} bytes, ${place})`;
  const rows = holders.map((holder) => holderRow(holder, nowMs));
  const by = writer === undefined ? 'no request' : `request ${nameOf(writer)}`;
  const joined = joiners.length === 0 ? '' : ` Requests that have joined it: ${joiners.length}.`;
  switch (state) {
    case 'writing': {
      const waiting: Waiting = { gate: 'sender', text: `${by} to write it` };
      return { state, summary: `${what} is being written by ${by}.${joined}`, holders: rows, waiting };
    }
    case 'orphaned': {
      const waiting: Waiting = { gate: 'writer', text: 'a page, and a request that can write it' };
      return { state, summary: `${what} is orphaned: its writer is gone.${joined}`, holders: rows, waiting };
    }
    case 'ready': {
      const summary = `${what} is ready, written by ${by}. Holders with a lease: ${holders.length}.`;
      return { state, summary, holders: rows };
    }
    case 'retained':
      return { state, summary: `${what} is retained as cache. No request leases it.`, holders: rows };
  }
}
