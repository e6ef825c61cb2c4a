/**
 * Why does it wait, who holds it, since when, until when, and what has happened to it? Put together from the actors that run, the
 * store, the ends that are remembered, and the journal.
 */
import { KvferryError } from '../../protocol/errors.js';
import { EXPLANATIONS_MAX, HOLDERS_SHOWN_MAX, TRAIL_ENTRIES_MAX } from '../../protocol/limits.js';
import type { ActorRow, Explanation, HolderRow, Waiting } from '../../protocol/observation.js';
import type { OperationRequest, RequestRow } from '../../protocol/operations.js';
import { type HolderId, nameOf } from '../../store/holder.js';
import type { EntryView, HolderView, StoreView } from '../../store/view.js';
import type { AgentEnv } from '../agent/agent-env.js';
import { aboutOf, type JournalEvent, pageOfKey } from './journal.js';

export interface Explained {
  readonly env: AgentEnv;
  /** Of an agent that receives. */
  readonly store: StoreView | undefined;
  /** Requests of that name, live or remembered. */
  rows(request: string): readonly RequestRow[];
}

/** An explanation without what every one gets. */
type Finding = Omit<Explanation, 'trail' | 'holders' | 'holdersTotal'> & {
  readonly holders?: readonly HolderRow[];
  readonly trail: (event: JournalEvent) => boolean;
};

/** Reasons may be long. */
const SUMMARY_MAX = 2048;
const MS_PER_S = 1000;

/** Throws `invalid_field` unless exactly one thing is named. */
export function explain(parts: Explained, query: OperationRequest<'explain'>): Explanation[] {
  const { request, transfer, key, page } = query;
  const named = [request, transfer, key, page].filter((name) => name !== undefined);
  if (named.length !== 1) {
    throw new KvferryError('invalid_field', 'name one of request, transfer, key and page', { field: 'request' });
  }
  const findings = findAll(parts, query).slice(0, EXPLANATIONS_MAX);
  const trailMax = Math.floor(TRAIL_ENTRIES_MAX / Math.max(1, findings.length));
  return findings.map(({ holders = [], trail, ...finding }) => ({
    ...finding,
    summary: finding.summary.slice(0, SUMMARY_MAX),
    holders: holders.slice(0, HOLDERS_SHOWN_MAX),
    holdersTotal: holders.length,
    trail: parts.env.journal.trail(trailMax, trail),
  }));
}

function findAll(parts: Explained, { request, transfer, key, page }: OperationRequest<'explain'>): Finding[] {
  if (request !== undefined) return explainRequest(parts, request);
  if (transfer !== undefined) return explainTransfer(parts, transfer);
  if (key !== undefined) return explainKey(parts, key);
  return page === undefined ? [] : explainPage(parts, page);
}

// --- requests -------------------------------------------------------------------------------------------------------

function explainRequest(parts: Explained, request: string): Finding[] {
  const { actors } = parts.env;
  const live = actors.matching(({ about }) => about.request === request).map((actor) => actor.row());
  const transfers = live.filter(({ machine }) => machine === 'transfer');
  const found = live.flatMap((row) => {
    if (row.machine === 'request') return [sendingRequest(row, transfers)];
    if (row.machine === 'ingest') return [arrivingRequest(parts, row)];
    return row.machine === 'group' ? [plainFinding(row, `request ${request} over several ranks`, 'receiver')] : [];
  });
  const ended = parts.rows(request).filter(({ state }) => state === 'ended');
  return [...found, ...ended.map((row) => endedRequest(row))];
}

function sendingRequest(row: ActorRow, transfers: readonly ActorRow[]): Finding {
  const mine = transfers.filter(({ epoch }) => epoch === row.epoch);
  const [first] = mine.filter(({ waiting }) => waiting !== undefined);
  // What its transfers wait for is what it waits for.
  const waiting = first?.waiting === undefined ? row.waiting : withDeadlineOf(first.waiting, row.waiting);
  const states = mine.map(({ batch, state }) => `batch ${batch} is ${state}`).join(', ');
  const finding = plainFinding({ ...row, ...(waiting === undefined ? {} : { waiting }) }, identityOf(row), 'sender');
  return states === '' ? finding : { ...finding, summary: `${finding.summary} Of its batches, ${states}.` };
}

function arrivingRequest({ env, store }: Explained, row: ActorRow): Finding {
  const id: HolderId = { request: row.request ?? '', epoch: row.epoch ?? '' };
  const name = nameOf(id);
  const finding = plainFinding(row, identityOf(row), 'receiver');
  const nowMs = env.clock.now();
  const admission = store?.admission(name);
  if (admission !== undefined && row.waiting !== undefined) {
    const { charge, available, total, before } = admission;
    const queue = before === 0 ? 'it is the first in the queue' : `${before} requests are before it in the queue`;
    const text = `${charge} pages of the arena: ${Math.max(0, available)} of ${total} can be had, ${queue}`;
    const holders = store?.largestHolders().filter(({ holder }) => nameOf(holder) !== name) ?? [];
    return {
      ...finding,
      ...describeWaiting(row, { ...row.waiting, text }, identityOf(row)),
      holders: holders.map((holder) => holderRow(holder, nowMs)),
    };
  }
  if (row.waiting?.gate === 'writer') {
    const writers = store?.writersFor(name) ?? [];
    const rows = writers.flatMap((writer) => (writer === undefined ? [] : [holderRow(writer, nowMs)]));
    return { ...finding, holders: rows };
  }
  const self = store?.holder(name);
  return self === undefined ? finding : { ...finding, holders: [holderRow(self, nowMs)] };
}

function endedRequest({ request, epoch, side, end, reason, ageMs }: RequestRow): Finding {
  const why = reason === undefined ? '' : `: ${reason.message} (${reason.code})`;
  return {
    about: 'request',
    name: `${epoch}/${request}`,
    side,
    state: `ended ${end}`,
    inStateMs: ageMs,
    summary: `Request ${epoch}/${request} ended ${end} ${seconds(ageMs)} ago${why}.`,
    trail: (event) => isOf(event, { request, epoch }),
  };
}

// --- transfers ------------------------------------------------------------------------------------------------------

function explainTransfer({ env }: Explained, transfer: string): Finding[] {
  const actor = `transfer ${transfer}`;
  const [live] = env.actors.matching((identity) => identity.actor === actor);
  const isThis = (event: JournalEvent) => event.kind === 'state' && event.of.actor === actor;
  if (live !== undefined) {
    const row = live.row();
    const { request, epoch, batch } = row;
    const trail = (event: JournalEvent) =>
      isOf(event, { request, epoch }) && (isThis(event) || aboutOf(event).batch === batch);
    return [{ ...plainFinding(row, `transfer ${transfer}`, 'sender'), about: 'transfer', name: transfer, trail }];
  }
  const last = env.journal.last(isThis);
  if (last?.kind !== 'state') return [];
  const agoMs = env.clock.now() - last.atMs;
  const why = last.reason === undefined ? '' : `: ${last.reason.message} (${last.reason.code})`;
  const { request, epoch, batch } = last.of.about;
  return [
    {
      ...{ about: 'transfer', name: transfer, side: 'sender', state: last.to, inStateMs: agoMs },
      summary: `Transfer ${transfer} ended ${last.to} ${seconds(agoMs)} ago${why}.`,
      trail: (event) => isOf(event, { request, epoch }) && (isThis(event) || aboutOf(event).batch === batch),
    },
  ];
}

// --- keys and pages -------------------------------------------------------------------------------------------------

function explainKey({ env, store }: Explained, key: string): Finding[] {
  const isAbout = (event: JournalEvent) => event.kind === 'store' && pageOfKey(event, key) !== undefined;
  const entry = store?.entry(key);
  const last = env.journal.last(isAbout);
  if (entry === undefined && last === undefined) return [];
  const nowMs = env.clock.now();
  const sinceMs = last === undefined ? {} : { inStateMs: nowMs - last.atMs };
  const base = { about: 'key', name: key, side: 'receiver', ...sinceMs, trail: isAbout } as const;
  if (entry === undefined) {
    return [{ ...base, state: 'absent', summary: `Key ${key} is not in the arena.` }];
  }
  return [{ ...base, ...describeEntry(entry, nowMs) }];
}

function explainPage({ env, store }: Explained, page: number): Finding[] {
  const view = store?.page(page);
  if (view === undefined) return [];
  const nowMs = env.clock.now();
  const trail = (event: JournalEvent) => event.kind === 'store' && event.pages?.includes(page) === true;
  const last = env.journal.last(trail);
  const { state, generation, entry, quarantine } = view;
  const base = {
    about: 'page',
    name: `${page}`,
    side: 'receiver',
    trail,
    ...(last === undefined ? {} : { inStateMs: nowMs - last.atMs }),
  } as const;
  if (quarantine !== undefined) {
    const { writer, grant, sinceMs } = quarantine;
    const text = `${writer} to say that its writes have drained, or remote key ${grant} to be revoked`;
    const summary = `Page ${page} is quarantined for ${seconds(nowMs - sinceMs)}: it waits for ${text}.`;
    return [{ ...base, state, inStateMs: nowMs - sinceMs, summary, waiting: { gate: 'fabric', text } }];
  }
  if (entry === undefined) {
    return [{ ...base, state, summary: `Page ${page} is ${state}; ${generation} writers have had it so far.` }];
  }
  const described = describeEntry(entry, nowMs);
  return [{ ...base, ...described, summary: `Page ${page} has generation ${generation}. ${described.summary}` }];
}

function describeEntry(
  { key, length, state, page, writer, holders, joiners }: EntryView,
  nowMs: number,
): Pick<Finding, 'state' | 'summary' | 'holders'> & { waiting?: Waiting } {
  const place = page === undefined ? 'no page' : `page ${page}`;
  const what = `Key ${key} (${length} bytes, ${place}) is ${state}`;
  const rows = holders.map((holder) => holderRow(holder, nowMs));
  const by = writer === undefined ? 'nobody' : nameOf(writer);
  const waits = joiners.length === 0 ? '' : ` ${joiners.length} requests have joined it.`;
  switch (state) {
    case 'writing': {
      const waiting: Waiting = { gate: 'sender', text: `${by} to write it` };
      return { state, summary: `${what} by ${by}.${waits}`, holders: rows, waiting };
    }
    case 'orphaned': {
      const waiting: Waiting = { gate: 'writer', text: 'a page, and a request that can write it' };
      return { state, summary: `${what}: its writer is gone.${waits}`, holders: rows, waiting };
    }
    case 'ready':
      return { state, summary: `${what}, written by ${by}; ${holders.length} lease it.`, holders: rows };
    case 'retained':
      return { state, summary: `${what}: nobody leases it, it is kept as cache.`, holders: rows };
  }
}

// --- parts ----------------------------------------------------------------------------------------------------------

function plainFinding(row: ActorRow, name: string, side: Finding['side']): Finding {
  const { request, epoch, inStateMs } = row;
  return {
    ...{ about: 'request', name: epoch === undefined ? `${request}` : `${epoch}/${request}`, side },
    ...{ state: row.state, inStateMs },
    ...describeWaiting(row, row.waiting, name),
    trail: (event) => isOf(event, { request, epoch }),
  };
}

function describeWaiting(
  { state, inStateMs }: ActorRow,
  waiting: Waiting | undefined,
  name: string,
): Pick<Finding, 'summary'> & { waiting?: Waiting } {
  const is = `${name} is ${state} for ${seconds(inStateMs)}`;
  const capital = `${is[0]?.toUpperCase()}${is.slice(1)}`;
  if (waiting === undefined) return { summary: `${capital}.` };
  const ends = waiting.endsInMs === undefined ? '' : ` It ends otherwise in ${seconds(waiting.endsInMs)}.`;
  return { summary: `${capital}: it waits for ${waiting.text}.${ends}`, waiting };
}

function withDeadlineOf(waiting: Waiting, other: Waiting | undefined): Waiting {
  const endsInMs = waiting.endsInMs ?? other?.endsInMs;
  return endsInMs === undefined ? waiting : { ...waiting, endsInMs };
}

function holderRow({ holder, state, leases, reserved, expiresAtMs }: HolderView, nowMs: number): HolderRow {
  const promised = reserved === 0 ? '' : `, ${reserved} pages promised`;
  const what = state === 'arriving' ? 'arriving' : state === 'ready' ? 'ready, not released' : 'a reader';
  const ends = expiresAtMs === undefined ? {} : { endsInMs: expiresAtMs - nowMs };
  return { ...holder, holds: `${what}: ${leases} chunks leased${promised}`, pages: leases + reserved, ...ends };
}

function identityOf({ epoch, request }: ActorRow): string {
  return `request ${epoch}/${request}`;
}

function isOf(
  event: JournalEvent,
  { request, epoch }: { request: string | undefined; epoch: string | undefined },
): boolean {
  const about = aboutOf(event);
  return about.request === request && (epoch === undefined || about.epoch === undefined || about.epoch === epoch);
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / MS_PER_S).toFixed(1)} s`;
}
