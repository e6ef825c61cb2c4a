/** Merges the two journal entries of each message, one of either side. */
import type { MessageEntry } from '../../../../protocol/observation.js';
import type { EntryView } from '../../feed.js';

/** Engines and routers, which have no name in a journal. */
export const OUTSIDE = 'engine, router';

export interface Exchange {
  readonly from: string;
  readonly to: string;
  readonly operation: string;
  readonly batch?: number;
  /** Time of sending, as far as it is known. */
  readonly startMs: number;
  /** Arrival of the answer. For a notice: its own arrival. */
  readonly endMs: number;
  /** Undefined for a notice. */
  readonly tookMs?: number;
  /** The part of it that the other side needed to answer. */
  readonly answeredInMs?: number;
  readonly code?: string;
}

/**
 * Accuracy of the aligned clocks. A notice has no answer and is fast, so its receiver's clock may show an arrival
 * shortly before its sender's clock shows the sending.
 */
const CLOCKS_DIFFER_MS_MAX = 50;

type MessageView = EntryView & { readonly entry: MessageEntry };

function isMessage(view: EntryView): view is MessageView {
  return view.entry.kind === 'message';
}

/** In order of sending. */
export function exchangesOf(entries: readonly EntryView[]): Exchange[] {
  const messages = entries.filter(isMessage);
  const arrived = messages.filter(({ entry }) => entry.direction === 'in');
  const exchanges: Exchange[] = [];
  const taken = new Set<EntryView>();
  for (const sent of messages) {
    if (sent.entry.direction !== 'out') continue;
    const heard = arrived.find((view) => !taken.has(view) && isSame(sent, view));
    if (heard !== undefined) taken.add(heard);
    exchanges.push(exchange(sent, heard));
  }
  for (const heard of arrived) if (!taken.has(heard)) exchanges.push(exchange(undefined, heard));
  return exchanges.sort((a, b) => a.startMs - b.startMs);
}

function isSame(sent: MessageView, heard: MessageView): boolean {
  return (
    sent.entry.operation === heard.entry.operation &&
    sent.entry.batch === heard.entry.batch &&
    sent.entry.peer === heard.agent &&
    (heard.entry.peer === undefined || heard.entry.peer === sent.agent) &&
    heard.timeMs >= startOf(sent) - CLOCKS_DIFFER_MS_MAX &&
    heard.timeMs <= sent.timeMs + CLOCKS_DIFFER_MS_MAX
  );
}

function startOf({ timeMs, entry }: MessageView): number {
  return timeMs - (entry.tookMs ?? 0);
}

function exchange(sent: MessageView | undefined, heard: MessageView | undefined): Exchange {
  const view = sent ?? heard;
  if (view === undefined) throw new Error('an exchange without an entry');
  const { operation, batch, tookMs } = view.entry;
  const code = sent?.entry.code ?? heard?.entry.code;
  const answeredInMs = sent === undefined ? undefined : heard?.entry.tookMs;
  return {
    from: sent?.agent ?? view.entry.peer ?? OUTSIDE,
    to: heard?.agent ?? view.entry.peer ?? OUTSIDE,
    operation,
    startMs: startOf(view),
    // The entry of a received notice is its arrival.
    endMs: tookMs === undefined && heard !== undefined ? Math.max(heard.timeMs, startOf(view)) : view.timeMs,
    ...(batch === undefined ? {} : { batch }),
    ...(tookMs === undefined ? {} : { tookMs }),
    ...(answeredInMs === undefined ? {} : { answeredInMs }),
    ...(code === undefined ? {} : { code }),
  };
}
