import type { JournalEntry } from '../../../../protocol/observation.js';
import type { EntryView } from '../../feed.js';
import { clockTime, duration, plural } from '../format.js';
import { toneOfStoreAction } from '../store-tones.js';
import { type Tone, toneOfState } from '../tones.js';

/** Shorter times are not shown. */
const AT_ONCE_MS = 0.005;

export interface EntryRow {
  readonly agent?: string;
  /** Time of the entry, as text. */
  readonly time: string;
  readonly entry: JournalEntry;
}

export interface EntryListProps {
  readonly entries: readonly EntryRow[];
  readonly showAgent: boolean;
  /** The request whose page shows the entries, which do not repeat its id. */
  readonly within?: string | undefined;
}

/** Makes rows of an `EntryList` from journal entries. */
export function rowsOf(entries: readonly EntryView[]): EntryRow[] {
  return entries.map(({ agent, timeMs, entry }) => ({ agent, time: clockTime(timeMs), entry }));
}

export function EntryList({ entries, showAgent, within }: EntryListProps) {
  return (
    <ol class="entries">
      {entries.map(({ agent, time, entry }) => (
        <li key={`${agent} ${entry.n}`}>
          <time>{time}</time>
          <span class={`dot tone-${toneOf(entry)}`} aria-hidden="true" />
          {showAgent && <span class="entry-agent">{agent}</span>}
          <span class="entry-text">{textOf(entry, within)}</span>
        </li>
      ))}
    </ol>
  );
}

function toneOf(entry: JournalEntry): Tone {
  switch (entry.kind) {
    case 'state':
      return entry.reason === undefined ? toneOfState(entry.machine, entry.to) : 'bad';
    case 'message':
      return entry.code === undefined ? 'quiet' : 'bad';
    case 'store':
      return toneOfStoreAction(entry.action);
  }
}

function textOf(entry: JournalEntry, within: string | undefined): preact.ComponentChildren {
  switch (entry.kind) {
    case 'state':
      return (
        <>
          <strong>
            {entry.machine}
            {entry.batch === undefined ? '' : ` of batch ${entry.batch}`}
          </strong>{' '}
          {entry.from === undefined ? '' : `${entry.from} → `}
          {entry.to}
          {entry.event !== '' && <span class="soft"> on {entry.event}</span>}
          {entry.reason !== undefined && <span class="entry-reason">{entry.reason.message}</span>}
        </>
      );
    case 'message':
      return (
        <>
          {entry.direction === 'out' ? 'sent ' : 'got '}
          <strong>{entry.operation}</strong>
          {entry.peer === undefined ? '' : ` ${entry.direction === 'out' ? 'to' : 'from'} ${entry.peer}`}
          {entry.batch === undefined ? '' : ` for batch ${entry.batch}`}
          {entry.tookMs !== undefined && (
            <span class="soft"> answered {entry.tookMs < AT_ONCE_MS ? 'at once' : `in ${duration(entry.tookMs)}`}</span>
          )}
          {entry.code !== undefined && <span class="entry-reason">{entry.code}</span>}
        </>
      );
    case 'store':
      return (
        <>
          <strong>{entry.action}</strong> {entry.chunks > 0 ? plural(entry.chunks, 'chunk') : ''}
          {entry.request !== undefined && entry.request !== within && <span class="soft"> of {entry.request}</span>}
          {entry.pages !== undefined && entry.pages.length > 0 && (
            <span class="soft">
              {' '}
              in {entry.pages.length === 1 ? 'page' : 'pages'} {entry.pages.join(', ')}
              {entry.chunks > entry.pages.length ? ', …' : ''}
            </span>
          )}
          {entry.detail !== undefined && <span class="soft">: {entry.detail}</span>}
        </>
      );
  }
}
