/** Stand-in for `receiver.ts` and `ingest-actor.ts`. It also delivers the effects of the store. */
import type { StoreEffect } from '../../../src/store/messages.js';
import { requestOf } from './configuration.js';
import { answerOf, broken, cancelled } from './failures.js';
import type { Answer, Call } from './message.js';
import type { IngestSnapshot } from './state.js';
import type { Action } from './transitions.js';
import type { Turn } from './turn.js';

export function ingestEffect(turn: Turn, sender: number, { context }: IngestSnapshot, { type, params }: Action): void {
  const end = context.end ?? 'failed';
  switch (type) {
    case 'decide':
      if (turn.state.lost[sender]) {
        turn.toIngest(sender, { type: 'end.refused', failure: broken });
      } else if (turn.sender(sender).request !== null) {
        turn.toRequest(sender, { type: 'confirm.agreed' });
        turn.toIngest(sender, { type: 'end.agreed' });
      }
      return;
    case 'recordEnd':
      turn.execute({ type: 'end', holder: requestOf(sender), end, reason: context.failure ?? undefined });
      if (end === 'ready') return;
      for (const asked of turn.state.pending.filter((pending) => pending.startsWith(`${sender} `))) {
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
      return error === undefined ? { code: 'ok' } : answerOf(error);
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

function allocate(turn: Turn, { sender, batch, grant, again }: Extract<Call, { op: 'allocate' }>): undefined {
  const batches = turn.configuration.batches[sender] ?? [];
  const keys = batches[batch] ?? [];
  const isNew = turn.state.ingests[sender] === null;
  if (isNew) turn.startIngest(sender);
  const asked = `${sender} ${batch} ${grant} ${again}`;
  if (!turn.state.pending.includes(asked)) turn.state.pending = [...turn.state.pending, asked].sort();
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
  answerAllocate(turn, asked, answerOf(error));
  return undefined;
}

function answerAllocate(turn: Turn, asked: string, answer: Answer): void {
  turn.state.pending = turn.state.pending.filter((other) => other !== asked);
  const [sender, batch, grant = '', again] = asked.split(' ');
  const call = {
    op: 'allocate',
    sender: Number(sender),
    batch: Number(batch),
    grant,
    again: again === 'true',
  } as const;
  turn.reply(call, answer);
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
      const { allocation, batch, last, bytes, first, grant } = effect;
      const asked = turn.state.pending.find((pending) => pending.startsWith(`${sender} ${batch} `));
      const isOf = asked?.startsWith(`${sender} ${batch} ${grant} `) === true;
      if (asked !== undefined) answerAllocate(turn, asked, isOf ? { code: 'ok', allocation } : { code: 'stale_grant' });
      const { pages, alreadySent, joined } = allocation;
      const counts = { written: pages.length, ready: alreadySent.length - joined.length, joined: joined.length };
      const own = turn.handles === sender;
      if (first) turn.toIngest(sender, { type: 'batch.allocated', batch, last, ...counts, bytes, own });
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
