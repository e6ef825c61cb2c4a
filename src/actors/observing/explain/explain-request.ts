/** Explains the requests of one name: those in progress, from their actors, and those that this agent remembers. */
import { defined } from '../../../protocol/defined.js';
import { HOLDERS_SHOWN_MAX } from '../../../protocol/limits.js';
import type { ActorRow, Waiting } from '../../../protocol/observation.js';
import type { RequestRow } from '../../../protocol/status-rows.js';
import { nameOf } from '../../../store/holder.js';
import type { AdmissionView, HolderView } from '../../../store/view.js';
import { describeEnd, describeWaiting, type Finding, findingOf, holderRow, isOf, type Sources } from './finding.js';

export function explainRequest(sources: Sources, request: string): Finding[] {
  const running = sources.actors.matching(({ about }) => about.request === request).map((actor) => actor.row());
  const transfers = running.filter(({ machine }) => machine === 'transfer');
  const found = running.flatMap((row) => {
    if (row.machine === 'request') return [sendingRequest(row, transfers)];
    if (row.machine === 'ingest') return [arrivingRequest(sources, row)];
    return row.machine === 'group' ? [findingOf(row, `request ${request} over several ranks`, 'receiver')] : [];
  });
  const ended = sources.rows(request).filter(({ state }) => state === 'ended');
  return [...found, ...ended.map((row) => endedRequest(row))];
}

/** A request at its sender waits for what its first waiting transfer waits for. */
function sendingRequest(row: ActorRow, transfers: readonly ActorRow[]): Finding {
  const own = transfers.filter(({ epoch }) => epoch === row.epoch);
  const blocked = own.find((transfer) => transfer.waiting !== undefined)?.waiting;
  const waiting = blocked === undefined ? row.waiting : withDeadlineOf(blocked, row.waiting);
  const finding = findingOf({ ...row, ...defined({ waiting }) }, identityOf(row), 'sender');
  const states = own.map(({ batch, state }) => `batch ${batch} is ${state}`).join(', ');
  return states === '' ? finding : { ...finding, summary: `${finding.summary} Transfers: ${states}.` };
}

/** A request at its receiver: with the queue and the largest holders while it waits for pages, else with who writes for it. */
function arrivingRequest({ clock, store }: Sources, row: ActorRow): Finding {
  const name = nameOf({ request: row.request ?? '', epoch: row.epoch ?? '' });
  const finding = findingOf(row, identityOf(row), 'receiver');
  const nowMs = clock.now();
  const rowsOf = (holders: readonly (HolderView | undefined)[] = []) =>
    holders.filter((holder) => holder !== undefined).map((holder) => holderRow(holder, nowMs));
  const admission = store?.admission(name);
  if (admission !== undefined && row.waiting !== undefined) {
    const waiting = { ...row.waiting, text: describeAdmission(admission) };
    const { largest = [], total = 0 } = store?.largestHolders(HOLDERS_SHOWN_MAX, name) ?? {};
    const holders = { holders: rowsOf(largest), holdersTotal: total };
    return { ...finding, ...describeWaiting(row, waiting, identityOf(row)), ...holders };
  }
  if (row.waiting?.gate === 'writer') return { ...finding, holders: rowsOf(store?.writersFor(name)) };
  const self = store?.holder(name);
  return self === undefined ? finding : { ...finding, holders: rowsOf([self]) };
}

function describeAdmission({ charge, available, total, before }: AdmissionView): string {
  const others = before === 1 ? '1 request is' : `${before} requests are`;
  const queue = before === 0 ? 'it is first in the queue' : `${others} before it in the queue`;
  return `${charge} ${charge === 1 ? 'page' : 'pages'} of the arena: ${Math.max(0, available)} of ${total} are available, and ${queue}`;
}

function endedRequest({ request, epoch, side, end, reason, ageMs }: RequestRow): Finding {
  return {
    about: 'request',
    name: `${epoch}/${request}`,
    side,
    state: `ended ${end}`,
    inStateMs: ageMs,
    summary: describeEnd(`Request ${epoch}/${request}`, `${end}`, ageMs, reason),
    isInTrail: (event) => isOf(event, { request, epoch }),
  };
}

function withDeadlineOf(waiting: Waiting, other: Waiting | undefined): Waiting {
  return { ...waiting, ...defined({ endsInMs: waiting.endsInMs ?? other?.endsInMs }) };
}

function identityOf({ epoch, request }: ActorRow): string {
  return `request ${epoch}/${request}`;
}
