/** Stand-in for `receiver.ts` and `ingest-actor.ts`. It also delivers the effects of the store. */
import type { End } from '../../../src/protocol/subjects.js';
import { requestOf } from './configuration.js';
import { answerOf, broken, cancelled, reasonOf } from './failures.js';
import type { AllocateCall, Answer, CallOfSender, HandOverCall, OwedCall } from './message.js';
import { type IngestSnapshot, NO_BYTES } from './state.js';
import type { StoreNode } from './store-log.js';
import type { Action } from './transitions.js';
import type { EffectForOwner, Turn } from './turn.js';

export function ingestEffect(turn: Turn, sender: number, { context }: IngestSnapshot, { type, params }: Action): void {
  const end = context.end ?? 'failed';
  switch (type) {
    case 'decide':
      if (turn.state.lost[sender] && !turn.state.unwatched[sender]) refuseEnd(turn, sender);
      else if (turn.neverAsks) turn.toIngest(sender, { type: 'end.agreed' });
      else turn.call({ op: 'confirm', sender });
      return;
    case 'recordEnd':
      turn.execute({ type: 'end', holder: requestOf(sender), end, reason: context.failure ?? undefined });
      for (const owed of turn.state.pending.filter((call) => call.sender === sender)) {
        if (owed.op === 'abort') answerOwed(turn, owed, { code: 'ok', end });
        else if (end !== 'ready') answerOwed(turn, owed, { code: 'request_ended', end });
      }
      return;
    case 'announce':
      if (context.announcedElsewhere) return;
      turn.announce(sender, 'receiver', end);
      turn.send({ kind: 'ended', sender, end });
      return;
    case 'notifyJoined':
      turn.send({ kind: 'joined', sender, batch: (params as { batch: number }).batch });
      return;
  }
}

/** The receiver's answer to a call of a sender, or undefined if it answers later. */
export function received(turn: Turn, call: CallOfSender): Answer | undefined {
  turn.handled = call.sender;
  const answer = answerTo(turn, call);
  turn.handled = undefined;
  return answer;
}

function answerTo(turn: Turn, call: CallOfSender): Answer | undefined {
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
      const error = turn.execute({ type: 'commit', holder, batch: call.batch, part, pages, generations, lengths });
      return error === undefined ? withEnd(turn, sender, { code: 'ok' }) : answerOf(error);
    }
    case 'abort':
      if (recorded === undefined) {
        startIngest(turn, sender);
        const type = call.end === 'failed' ? 'ingest.abort' : 'ingest.end';
        turn.toIngest(sender, { type, end: call.end, failure: cancelled });
      }
      if (turn.tombstone(sender) !== undefined) return { code: 'ok', end: turn.tombstone(sender) as End };
      turn.owe(call);
      return undefined;
    case 'drained':
      turn.execute({ type: 'drained', holder });
      return { code: 'ok' };
  }
}

function allocate(turn: Turn, call: AllocateCall): undefined {
  const { sender, batch, grant } = call;
  const batches = turn.configuration.batches[sender] ?? [];
  const keys = batches[batch] ?? [];
  const isNew = startIngest(turn, sender);
  turn.owe(call);
  const error = turn.execute({
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
  answerOwed(turn, call, answerOf(error));
  return undefined;
}

/** The answer to a message that may have completed the request. */
function withEnd(turn: Turn, sender: number, answer: Answer): Answer {
  const end = turn.tombstone(sender);
  return end === undefined ? answer : { ...answer, end };
}

/** Returns true if the receiver had not heard of the request before. */
function startIngest(turn: Turn, sender: number): boolean {
  if (turn.state.ingests[sender] !== null) return false;
  turn.state.unwatched = turn.state.unwatched.with(sender, turn.state.lost[sender] === true);
  turn.startIngest(sender);
  return true;
}

/** The sender is lost: it does not agree to an end. */
export function refuseEnd(turn: Turn, sender: number): void {
  turn.toIngest(sender, { type: 'end.refused', failure: broken });
}

/** Handles the answer of a sender to the question whether it agrees to an end. */
export function confirmed(turn: Turn, sender: number, { end }: Answer): void {
  if (end === undefined) turn.toIngest(sender, { type: 'end.agreed' });
  else turn.toIngest(sender, { type: 'end.announced', end, failure: reasonOf(end) });
}

function answerOwed(turn: Turn, call: OwedCall, answer: Answer): void {
  turn.state.pending = turn.state.pending.filter((other) => other !== call);
  turn.reply(call, answer);
}

/** Answers the `allocate` of this batch at the end of the step, with the end that the step has brought. */
function answerAllocate(turn: Turn, sender: number, batch: number, answer: Answer): boolean {
  const owed = turn.state.pending.find(
    (call) => call.sender === sender && call.op === 'allocate' && call.batch === batch,
  );
  if (owed === undefined) return false;
  turn.state.pending = turn.state.pending.filter((other) => other !== owed);
  turn.later(() => turn.reply(owed, withEnd(turn, sender, answer)));
  return true;
}

/** Refusals by a sender that remembers which parts it has taken (`NEVER_TAKEN` in `store-effects.ts`). */
const NEVER_TAKEN: readonly string[] = ['stale_grant', 'request_active', 'request_ended'];

/** Handles the answer of a sender to a hand-over. */
export function handOverAnswered(turn: Turn, call: HandOverCall, { code }: Answer): void {
  if (code === 'ok') return;
  const { batch, part, positions, bytes } = call.effect;
  turn.toIngest(call.sender, { type: 'chunks.declined', chunks: positions.length, bytes });
  const taken = NEVER_TAKEN.includes(code) ? 'never' : 'unknown';
  turn.execute({ type: 'decline', holder: requestOf(call.sender), batch, part, taken });
  if (code === 'stale_grant' || code === 'request_active') return;
  turn.toIngest(call.sender, { type: 'ingest.end', end: 'failed', failure: broken });
}

export function storeEffect(turn: Turn, effect: EffectForOwner): void {
  const sender = senderOf(effect.holder);
  switch (effect.type) {
    case 'allocated': {
      const { allocation, batch, last, bytes, first, grant } = effect;
      const { pages, alreadySent, joined } = allocation;
      const counts = { written: pages.length, ready: alreadySent.length - joined.length, joined: joined.length };
      if (first) {
        turn.toIngest(sender, { type: 'batch.allocated', batch, last, ...counts, bytes, own: turn.handled === sender });
      }
      const granted = { grant, ...allocation };
      const isAnswered = answerAllocate(turn, sender, batch, { code: 'ok', allocation: granted });
      if (first && !isAnswered) turn.send({ kind: 'allocated', sender, batch, allocation: granted });
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
      turn.toIngest(sender, { ...effect, own: turn.handled === sender });
      return;
    case 'leases.ended':
      turn.toIngest(sender, effect);
      return;
    case 'queued':
      answerAllocate(turn, sender, effect.batch, { code: 'ok' });
      return;
  }
}

/** The number of the sender in a name from `requestOf`. */
function senderOf({ request }: { readonly request: string }): number {
  return Number(request.slice(1));
}

/** The process of the receiver dies, and its arena with it. */
export function die(turn: Turn, store: StoreNode): void {
  const { state } = turn;
  state.receiverDied = true;
  state.store = store;
  state.arena = state.arena.map(() => NO_BYTES);
  state.ingests = state.ingests.map(() => null);
  state.lost = state.lost.map(() => false);
  state.unwatched = state.unwatched.map(() => false);
  state.pending = [];
  state.revoked = [];
  state.writes = state.writes.filter(({ reported }) => !reported).map((write) => ({ ...write, over: true }));
}
