/** Stand-in for `receiver.ts` and `ingest-actor.ts`. It also delivers the effects of the store. */
import { defined } from '../../../src/protocol/defined.js';
import type { End } from '../../../src/protocol/subjects.js';
import type { StoreEffect } from '../../../src/store/messages.js';
import { requestOf } from './configuration.js';
import { answerOf, broken, cancelled, reasonOf } from './failures.js';
import type { AllocateCall, Answer, Call } from './message.js';
import type { IngestSnapshot } from './state.js';
import type { Action } from './transitions.js';
import type { Turn } from './turn.js';

export function ingestEffect(turn: Turn, sender: number, { context }: IngestSnapshot, { type, params }: Action): void {
  const end = context.end ?? 'failed';
  switch (type) {
    case 'decide':
      askSender(turn, sender);
      return;
    case 'recordEnd':
      turn.execute({ type: 'end', holder: requestOf(sender), end, reason: context.failure ?? undefined });
      if (end === 'ready') return;
      for (const asked of turn.state.pending.filter((call) => call.sender === sender)) {
        answerAllocate(turn, asked, { code: 'request_ended', end });
      }
      return;
    case 'announce':
      turn.announce(sender, 'receiver', end);
      turn.send({ kind: 'ended', sender, end });
      return;
    case 'notifyJoined':
      turn.send({ kind: 'joined', sender, batch: (params as { batch: number }).batch });
      return;
  }
}

/** A dead sender does not answer: later it is declared dead. */
function askSender(turn: Turn, sender: number): void {
  if (turn.state.lost[sender]) {
    turn.toIngest(sender, { type: 'end.refused', failure: broken });
    return;
  }
  const { request } = turn.sender(sender);
  if (request === null) return;
  const { end, receiverAnnounces } = request.context;
  if (end !== null && !receiverAnnounces) {
    turn.toIngest(sender, { type: 'end.announced', end, failure: reasonOf(end) });
    return;
  }
  turn.toRequest(sender, { type: 'confirm.agreed' });
  turn.toIngest(sender, { type: 'end.agreed' });
}

/** The receiver's answer to a call of a sender, or undefined if it answers later. */
export function received(turn: Turn, call: Exclude<Call, { op: 'handover' }>): Answer | undefined {
  const { sender } = call;
  const holder = requestOf(sender);
  const recorded = turn.tombstone(sender);
  switch (call.op) {
    case 'allocate':
      if (recorded !== undefined) return { code: 'request_ended', end: recorded };
      if (turn.state.lost[sender]) return { code: 'stale_grant' };
      return allocate(turn, call);
    case 'commit': {
      const { part, placements } = call.part;
      const pages = placements.map(({ page }) => page);
      const generations = placements.map(({ generation }) => generation);
      const lengths = pages.map(() => 1);
      const { batch } = call;
      const error = turn.executeFor(sender, { type: 'commit', holder, batch, part, pages, generations, lengths });
      return error === undefined ? { code: 'ok', ...endIn(turn, sender) } : answerOf(error);
    }
    case 'abort':
      if (recorded === undefined) {
        if (turn.state.ingests[sender] === null) turn.startIngest(sender);
        const { end } = call;
        turn.toIngest(sender, { type: end === 'failed' ? 'ingest.abort' : 'ingest.end', end, failure: cancelled });
      }
      return { code: 'ok', end: turn.tombstone(sender) ?? call.end };
    case 'drained':
      turn.execute({ type: 'drained', holder });
      return { code: 'ok' };
  }
}

function allocate(turn: Turn, call: AllocateCall): undefined {
  const { sender, batch, grant } = call;
  const batches = turn.configuration.batches[sender] ?? [];
  const keys = batches[batch] ?? [];
  const isNew = turn.state.ingests[sender] === null;
  if (isNew) turn.startIngest(sender);
  turn.owe(call);
  const error = turn.executeFor(sender, {
    type: 'allocate',
    holder: requestOf(sender),
    grant,
    batch,
    last: batch === batches.length - 1,
    totalChunks: batches.flat().length,
    keys,
    lengths: keys.map(() => 1),
  });
  if (error === undefined) return undefined;
  if (isNew) turn.replaceIngest(sender, null);
  answerAllocate(turn, call, answerOf(error));
  return undefined;
}

function answerAllocate(turn: Turn, call: AllocateCall, answer: Answer): void {
  turn.state.pending = turn.state.pending.filter((other) => other !== call);
  turn.reply(call, answer);
}

/** The answer to a message that has completed its request carries the end. */
function endIn(turn: Turn, sender: number): { end?: End } {
  return defined({ end: turn.tombstone(sender) });
}

/** Handles the answer of a sender to a hand-over. */
export function handOverAnswered(turn: Turn, call: Extract<Call, { op: 'handover' }>, { code }: Answer): void {
  if (code === 'ok') return;
  const { batch, part } = call.effect;
  const isLive = code === 'stale_grant' || code === 'request_active';
  turn.execute({ type: 'decline', holder: requestOf(call.sender), batch, part, taken: isLive ? 'never' : 'unknown' });
  if (isLive) return;
  turn.toIngest(call.sender, { type: 'ingest.end', end: 'failed', failure: broken });
}

export function storeEffect(turn: Turn, effect: Exclude<StoreEffect, { type: 'pages.freed' }>): void {
  const sender = senderOf(effect.holder);
  switch (effect.type) {
    case 'allocated': {
      const { allocation, batch, last, bytes, first } = effect;
      const { pages, alreadySent, joined } = allocation;
      const counts = { written: pages.length, ready: alreadySent.length - joined.length, joined: joined.length };
      const own = turn.handles === sender;
      if (first) turn.toIngest(sender, { type: 'batch.allocated', batch, last, ...counts, bytes, own });
      const asked = turn.state.pending.find((call) => call.sender === sender && call.batch === batch);
      if (asked !== undefined) answerAllocate(turn, asked, { code: 'ok', allocation, ...endIn(turn, sender) });
      return;
    }
    case 'refused':
      turn.toIngest(sender, { type: 'ingest.end', end: 'failed', failure: effect.reason });
      return;
    case 'handed.over':
      turn.toIngest(sender, { type: 'chunks.handed-over', chunks: effect.positions.length, bytes: effect.bytes });
      turn.call({ op: 'handover', sender, effect });
      return;
    case 'chunks.ready':
      turn.toIngest(sender, { ...effect, own: turn.handles === sender });
      return;
    case 'leases.ended':
      turn.toIngest(sender, effect);
      return;
    case 'queued':
      return;
  }
}

/** The number of the sender in a name from `requestOf`. */
function senderOf({ request }: { readonly request: string }): number {
  return Number(request.slice(1));
}
