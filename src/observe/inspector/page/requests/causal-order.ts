/**
 * Draws no effect before its cause. The server maps the clock of each agent to its own with an error of half a round trip,
 * which is long on a busy host. An agent's own clock is exact about its own entries. So the entries of one agent move
 * together, by the least time that puts the messages between the agents into order. The sender's entries stay.
 */
import type { MessageEntry } from '../../../../protocol/observation.js';
import type { EntryView, RequestDetail, RequestView } from '../../feed.js';

/** A time on the clock of one process. */
interface Moment {
  readonly clock: string;
  readonly atMs: number;
}

interface Order {
  readonly cause: Moment;
  readonly effect: Moment;
}

type MessageView = EntryView & { readonly entry: MessageEntry };

/** A smaller change is not visible. */
const CHANGE_MS_MIN = 0.001;

/** The same request with its entries in causal order. An idempotent function. */
export function inCausalOrder(detail: RequestDetail): RequestDetail {
  const { request, entries } = detail;
  const aligned = onOwnClocks(entries);
  const shifts = shiftsOf(aligned, request);
  const moved = aligned.map((view, index) =>
    movedTo(entries[index] ?? view, view.timeMs + (shifts.get(clockOf(view)) ?? 0)),
  );
  if (moved.every((view, index) => view === entries[index])) return detail;
  return { request: { ...request, ...timesOf(request, entries, moved) }, entries: sorted(moved, request) };
}

/** By time. Of the same instant, the sender's entries are first: its messages start the receiver's work. */
function sorted(entries: readonly EntryView[], { epoch }: RequestView): EntryView[] {
  const instantOf = ({ timeMs }: EntryView) => Math.round(timeMs / CHANGE_MS_MIN);
  const rankOf = ({ agentEpoch }: EntryView) => (agentEpoch === epoch ? 0 : 1);
  return entries.toSorted((a, b) => instantOf(a) - instantOf(b) || rankOf(a) - rankOf(b));
}

/** A restarted agent has another clock. */
function clockOf({ agent, agentEpoch }: EntryView): string {
  return `${agent} ${agentEpoch}`;
}

function movedTo(view: EntryView, timeMs: number): EntryView {
  return Math.abs(timeMs - view.timeMs) < CHANGE_MS_MIN ? view : { ...view, timeMs };
}

/** The server's estimate of an agent's clock may change during a request. The last estimate of each counts for all entries. */
function onOwnClocks(entries: readonly EntryView[]): EntryView[] {
  const last = new Map<string, EntryView>();
  for (const view of entries) {
    const known = last.get(clockOf(view));
    if (known === undefined || view.entry.n > known.entry.n) last.set(clockOf(view), view);
  }
  return entries.map((view) => {
    const { timeMs, entry } = last.get(clockOf(view)) ?? view;
    return movedTo(view, view.entry.atMs + timeMs - entry.atMs);
  });
}

/** How far the entries of each clock move. */
function shiftsOf(entries: readonly EntryView[], { epoch }: RequestView): ReadonlyMap<string, number> {
  const orders = [...ordersOfMessages(entries), ...ordersOfIngests(entries, epoch)];
  const sender = entries.find(({ agentEpoch }) => agentEpoch === epoch);
  const clocks = new Set([...(sender === undefined ? [] : [sender]), ...entries].map(clockOf));
  const shifts = new Map<string, number>();
  for (const clock of clocks) shifts.set(clock, shiftOf(clock, orders, shifts));
  return shifts;
}

/** The least shift that agrees with the clocks before. An arrival after its sending is more certain than an answer. */
function shiftOf(clock: string, orders: readonly Order[], shifts: ReadonlyMap<string, number>): number {
  let [least, most] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const { cause, effect } of orders) {
    const [causeShift, effectShift] = [shifts.get(cause.clock), shifts.get(effect.clock)];
    if (effect.clock === clock && causeShift !== undefined)
      least = Math.max(least, cause.atMs + causeShift - effect.atMs);
    if (cause.clock === clock && effectShift !== undefined)
      most = Math.min(most, effect.atMs + effectShift - cause.atMs);
  }
  return Math.max(least, Math.min(most, 0));
}

/** A message arrives after its sending, and its answer after that. */
function ordersOfMessages(entries: readonly EntryView[]): Order[] {
  const messages = entries.filter((view): view is MessageView => view.entry.kind === 'message');
  const pairs = new Map<string, { readonly sent: MessageView[]; readonly arrived: MessageView[] }>();
  for (const view of messages) {
    const { direction, operation, batch, peer } = view.entry;
    const key = `${operation} ${batch} ${direction === 'out' ? peer : view.agent}`;
    const pair = pairs.get(key) ?? { sent: [], arrived: [] };
    pairs.set(key, pair);
    pair[direction === 'out' ? 'sent' : 'arrived'].push(view);
  }
  return [...pairs.values()].flatMap(({ sent, arrived }): Order[] => {
    const [first, heard] = [earliest(sent), earliest(arrived)];
    if (first === undefined || heard === undefined) return [];
    const arrival = { cause: startOf(first), effect: startOf(heard) };
    // The answer to a repeated message, or to one that failed, may belong to another arrival.
    const isAnswered = first.entry.tookMs !== undefined && first.entry.code === undefined;
    if (!isAnswered || sent.length > 1 || arrived.length > 1) return [arrival];
    return [arrival, { cause: endOf(heard), effect: endOf(first) }];
  });
}

/** The first `allocate` starts the receiver's machine. Until it is answered, it is in no journal. */
function ordersOfIngests(entries: readonly EntryView[], epoch: string): Order[] {
  const starts = entries.filter(({ entry }) => entry.kind === 'state' && entry.from === undefined);
  const isOf = (machine: string) => (view: EntryView) => view.entry.kind === 'state' && view.entry.machine === machine;
  const ofSender = starts.filter(({ agentEpoch }) => agentEpoch === epoch);
  const [ingest, transfer] = [starts.find(isOf('ingest')), ofSender.find(isOf('transfer'))];
  // Without the start of the sender's machine, the first transfer may be missing too.
  if (!ofSender.some(isOf('request')) || ingest === undefined || transfer === undefined) return [];
  return [{ cause: endOf(transfer), effect: endOf(ingest) }];
}

function earliest(messages: readonly MessageView[]): MessageView | undefined {
  return messages.toSorted((a, b) => startOf(a).atMs - startOf(b).atMs)[0];
}

/** The entry of an answered message has the time of its answer. */
function startOf(view: MessageView): Moment {
  return { clock: clockOf(view), atMs: view.timeMs - (view.entry.tookMs ?? 0) };
}

function endOf(view: EntryView): Moment {
  return { clock: clockOf(view), atMs: view.timeMs };
}

/** The times of the request, which are those of some of its entries. Older entries may be forgotten. */
function timesOf(
  { startedMs, changedMs, endedMs }: RequestView,
  entries: readonly EntryView[],
  moved: readonly EntryView[],
): Partial<RequestView> {
  const [before, after] = [entries, moved].map((views) => views.map(({ timeMs }) => timeMs).sort((a, b) => a - b));
  const [first = startedMs, last = changedMs] = [before?.[0], before?.at(-1)];
  const end = entries.findIndex(({ timeMs, entry }) => timeMs === endedMs && entry.kind !== 'state');
  const endMs = moved[end]?.timeMs ?? endedMs;
  return {
    startedMs: startedMs < first ? startedMs : (after?.[0] ?? startedMs),
    changedMs: changedMs > last ? changedMs : (after?.at(-1) ?? changedMs),
    ...(endMs === undefined ? {} : { endedMs: endMs }),
  };
}
