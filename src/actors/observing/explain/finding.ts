/** What every explanation is made of: where its facts come from, and how they become sentences. */
import type { ClockPort } from '../../../ports/clock.js';
import { defined } from '../../../protocol/defined.js';
import type { Failure } from '../../../protocol/fields.js';
import type { ActorRow, Explanation, HolderRow, Waiting } from '../../../protocol/observation.js';
import type { RequestRow } from '../../../protocol/status-rows.js';
import type { HolderView, StoreView } from '../../../store/view.js';
import { aboutOf, type Journal, type JournalEvent } from '../journal.js';
import type { ObservedActors } from '../observed-actors.js';

/** Where explanations come from. */
export interface Sources {
  readonly clock: ClockPort;
  readonly journal: Journal;
  readonly actors: ObservedActors;
  /** The store of an agent that receives. */
  readonly store: StoreView | undefined;
  /** The requests of that name, in progress or remembered. */
  rows(request: string): readonly RequestRow[];
}

/** An explanation before its lists are cut and its trail is read from the journal. */
export type Finding = Omit<Explanation, 'trail' | 'holders' | 'holdersTotal'> & {
  readonly holders?: readonly HolderRow[];
  /** Undefined: `holders` has all of them. */
  readonly holdersTotal?: number;
  isInTrail(event: JournalEvent): boolean;
};

const MS_PER_S = 1000;

/** What an actor that runs says about its request. `name` stands at the beginning of the summary. */
export function findingOf(row: ActorRow, name: string, side: Finding['side']): Finding {
  const { request, epoch, state, inStateMs } = row;
  return {
    about: 'request',
    name: epoch === undefined ? `${request}` : `${epoch}/${request}`,
    side,
    state,
    inStateMs,
    ...describeWaiting(row, row.waiting, name),
    isInTrail: (event) => isOf(event, { request, epoch }),
  };
}

export function describeWaiting(
  { state, inStateMs }: ActorRow,
  waiting: Waiting | undefined,
  name: string,
): Pick<Finding, 'summary'> & { waiting?: Waiting } {
  const subject = `${name[0]?.toUpperCase()}${name.slice(1)}`;
  const sentences = [`${subject} has been ${state} for ${seconds(inStateMs)}.`];
  if (waiting !== undefined) sentences.push(`It waits for ${waiting.text}.`);
  if (waiting?.endsInMs !== undefined) sentences.push(`It times out in ${seconds(waiting.endsInMs)}.`);
  return { summary: sentences.join(' '), ...defined({ waiting }) };
}

/** `Request e/r ended failed 4.0 s ago: the reason (its_code).` */
export function describeEnd(name: string, end: string, agoMs: number, reason: Failure | undefined): string {
  const why = reason === undefined ? '' : `: ${reason.message} (${reason.code})`;
  return `${name} ended ${end} ${seconds(agoMs)} ago${why}.`;
}

export function holderRow({ holder, state, leases, reserved, expiresAtMs }: HolderView, nowMs: number): HolderRow {
  const promised = reserved === 0 ? '' : `, ${reserved} pages reserved`;
  const what = state === 'arriving' ? 'arriving' : state === 'ready' ? 'ready, not released' : 'a reader';
  return {
    ...holder,
    holds: `${what}: ${leases} chunks leased${promised}`,
    pages: leases + reserved,
    ...defined({ endsInMs: expiresAtMs === undefined ? undefined : expiresAtMs - nowMs }),
  };
}

/** Whether a journal entry is about that request. An entry without an epoch counts for every epoch. */
export function isOf(
  event: JournalEvent,
  { request, epoch }: { readonly request?: string | undefined; readonly epoch?: string | undefined },
): boolean {
  const about = aboutOf(event);
  return about.request === request && (epoch === undefined || about.epoch === undefined || about.epoch === epoch);
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / MS_PER_S).toFixed(1)} s`;
}
