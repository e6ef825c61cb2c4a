/** Messages as both sides saw them: each is in two journals, and is one thing. */
import type { MessageEntry } from '../../../../protocol/observation.js';
import type { EntryView } from '../../feed.js';

/** Engines and routers have no name in a journal. */
export const OUTSIDE = 'engine, router';

export interface Exchange {
  readonly from: string;
  readonly to: string;
  readonly operation: string;
  readonly batch?: number;
  /** It was sent then, as far as is known. */
  readonly startMs: number;
  /** The answer was there then; of a notice, it had arrived. */
  readonly endMs: number;
  /** Notices have none. */
  readonly tookMs?: number;
  /** Of that, what the other side took for its answer. */
  readonly answeredInMs?: number;
  readonly code?: string;
}

/**
 * Nobody answers these, and they are short: whoever hears one may do so a little before its sender's clock says it was sent.
 * Clocks are brought together to about this.
 */
const CLOCKS_DIFFER_MS_MAX = 50;

type MessageView = EntryView & { readonly entry: MessageEntry };

function isMessage(view: EntryView): view is MessageView {
  return view.entry.kind === 'message';
}

/** In the order in which they were sent. */
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
  if (view === undefined) throw new Error('an exchange nobody saw');
  const { operation, batch, tookMs } = view.entry;
  const code = sent?.entry.code ?? heard?.entry.code;
  const answeredInMs = sent === undefined ? undefined : heard?.entry.tookMs;
  return {
    from: sent?.agent ?? view.entry.peer ?? OUTSIDE,
    to: heard?.agent ?? view.entry.peer ?? OUTSIDE,
    operation,
    startMs: startOf(view),
    // A notice that was heard has arrived then.
    endMs: tookMs === undefined && heard !== undefined ? Math.max(heard.timeMs, startOf(view)) : view.timeMs,
    ...(batch === undefined ? {} : { batch }),
    ...(tookMs === undefined ? {} : { tookMs }),
    ...(answeredInMs === undefined ? {} : { answeredInMs }),
    ...(code === undefined ? {} : { code }),
  };
}
