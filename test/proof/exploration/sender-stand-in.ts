/** Stand-in for `request-actor.ts` and `transfer-actor.ts`. It also answers hand-overs, as a prefill agent does. */
import type { TransferPart } from '../../../machines/allocation.js';
import type { Failure } from '../../../src/protocol/fields.js';
import { grantOf, requestOf } from './configuration.js';
import { failureOf, lost } from './failures.js';
import type { AllocateCall, Answer, Call, CallOfSender, Granted, HandOverCall } from './message.js';
import type { RequestSnapshot, TransferSnapshot, Write } from './state.js';
import type { Action } from './transitions.js';
import type { Turn } from './turn.js';

/** What the receiver answers about a batch that waits. */
export interface BatchState {
  readonly batch: number;
  readonly isQueued: boolean;
  readonly joinsPending: number;
}

/** States in which a transfer accepts a hand-over, as in `TransferActor.handOver`. */
const TAKING = ['allocating', 'queued', 'writing', 'committing', 'joining'];

export function requestEffect(
  turn: Turn,
  sender: number,
  { context }: RequestSnapshot,
  { type, params }: Action,
): void {
  const transfers = Object.keys(turn.sender(sender).transfers).map(Number);
  switch (type) {
    case 'startTransfer':
      turn.startTransfer(sender, (params as { batch: number }).batch);
      return;
    case 'startTransfers':
      for (let batch = 0; batch < context.batches; batch += 1) turn.startTransfer(sender, batch);
      return;
    case 'settleTransfers':
      for (const batch of transfers) turn.toTransfer(sender, batch, { type: 'transfer.settle' });
      return;
    case 'cancelTransfers': {
      const { failure } = params as { failure: Failure };
      for (const batch of transfers) turn.toTransfer(sender, batch, { type: 'transfer.cancel', failure });
      return;
    }
    case 'sendAbort':
      if (turn.sender(sender).proof) turn.toRequest(sender, { type: 'end.certain' });
      else if (turn.sender(sender).gaveUp) turn.toRequest(sender, { type: 'abort.unreachable' });
      else turn.call({ op: 'abort', sender, end: context.wish?.end ?? 'failed' });
      return;
    case 'resolveDoubt':
      if (turn.sender(sender).proof) turn.toRequest(sender, { type: 'end.certain' });
      else turn.call({ op: 'abort', sender, end: context.wish?.end ?? 'failed' });
      return;
    case 'sendDrained':
      if (turn.sender(sender).gaveUp) return;
      if (!context.drained) breakUndrained(turn, sender);
      else if (context.end !== 'ready') turn.call({ op: 'drained', sender });
      return;
    case 'announce':
      if (!context.receiverAnnounces) turn.announce(sender, 'sender', context.end ?? 'failed');
      return;
  }
}

export function transferEffect(
  turn: Turn,
  sender: number,
  batch: number,
  { context }: TransferSnapshot,
  { type }: Action,
): void {
  switch (type) {
    case 'sendAllocate':
      allocate(turn, sender, batch);
      return;
    case 'startWrite':
      startWrite(turn, sender, batch, context);
      return;
    case 'sendCommit':
      ask(turn, { op: 'commit', sender, batch, part: context.current });
      return;
    case 'reportCommitted':
      refuseOffers(turn, sender, batch);
      turn.forgetTransfer(sender, batch);
      turn.toRequest(sender, { type: 'transfer.committed', batch });
      return;
    case 'reportAborted': {
      const { failure, drained } = context;
      refuseOffers(turn, sender, batch);
      turn.forgetTransfer(sender, batch);
      if (!drained) noteUndrained(turn, sender, batch);
      const unanswered = (turn.sender(sender).asked[batch] ?? 0) > 0;
      turn.toRequest(sender, { type: 'transfer.aborted', batch, failure, drained, unanswered });
      return;
    }
  }
}

/** Notes the remote key of a write that may still land when its transfer ends. */
function noteUndrained(turn: Turn, sender: number, batch: number): void {
  const grants = turn.state.writes.filter((write) => write.sender === sender && write.batch === batch);
  const undrained = [...turn.sender(sender).undrained, ...grants.map(({ grant }) => grant)];
  turn.setSender(sender, { undrained: [...new Set(undrained)].sort() });
}

/** The sender gives up its connection if a write of it may still land. */
function breakUndrained(turn: Turn, sender: number): void {
  if (turn.sender(sender).undrained.includes(turn.grant(sender))) turn.setSender(sender, { reconnects: true });
}

/** Sends a message that may complete the request. */
function ask(turn: Turn, call: AllocateCall | Extract<Call, { op: 'commit' }>): void {
  turn.setSender(call.sender, { asked: { ...turn.sender(call.sender).asked, [call.batch]: 1 } });
  turn.call(call);
}

/** The refusal of one copy of a message says nothing about another copy that may still arrive. */
function noteAnswer(turn: Turn, call: CallOfSender, { code }: Answer): void {
  if (call.op !== 'allocate' && call.op !== 'commit') return;
  const { asked, transfers } = turn.sender(call.sender);
  const transfer = transfers[call.batch];
  const isPresent = call.op === 'allocate' ? transfer?.value === 'allocating' : isCommitting(transfer, call.part);
  if (!isPresent || (code !== 'ok' && (asked[call.batch] ?? 0) > 1)) return;
  turn.setSender(call.sender, { asked: { ...asked, [call.batch]: 0 } });
}

/** Sends a call again. */
export function askAgain(turn: Turn, call: Call): void {
  turn.call(call);
  if (call.op !== 'allocate' && call.op !== 'commit') return;
  const { asked } = turn.sender(call.sender);
  turn.setSender(call.sender, { asked: { ...asked, [call.batch]: (asked[call.batch] ?? 0) + 1 } });
}

function startWrite(
  turn: Turn,
  sender: number,
  batch: number,
  { current: part, held, transfer }: TransferSnapshot['context'],
): void {
  const grant = turn.grant(sender);
  const lost = part.placements.find(({ position }) => !held.includes(position));
  if (lost !== undefined) turn.fault(`${transfer} writes chunk ${lost.position}, whose bytes it has given back`);
  if (part.part > 0 && !takesOver(turn, sender, batch, part.part)) return;
  const isValid = turn.state.store.description.grants.includes(grant) && !turn.state.revoked.includes(grant);
  const write: Write = { sender, batch, part, grant, reported: false, over: !isValid };
  turn.state.writes = [...turn.state.writes, write];
}

/** Begins to write a part that was handed over, unless its connection was replaced: then it is handed over again. */
function takesOver(turn: Turn, sender: number, batch: number, part: number): boolean {
  const { offers, parts, reconnects } = turn.sender(sender);
  const offer = offers.find(({ effect }) => effect.batch === batch && effect.part === part) as HandOverCall;
  const { grant } = offer.effect;
  const isPresent = grant === turn.grant(sender) && !reconnects;
  const known = { ...parts, [nameOfPart(batch, part)]: isPresent ? grant : 'stale_grant' };
  turn.setSender(sender, { parts: known, offers: offers.filter((other) => other !== offer) });
  turn.reply(offer, { code: isPresent ? 'ok' : 'stale_grant' });
  if (!isPresent) turn.toTransfer(sender, batch, { type: 'write.refused' });
  return isPresent;
}

/** The transfer of the batch has ended: it does not write what still waits. */
function refuseOffers(turn: Turn, sender: number, batch: number): void {
  const { offers, parts } = turn.sender(sender);
  const refused = offers.filter(({ effect }) => effect.batch === batch);
  const codes = refused.map(({ effect }) => [nameOfPart(batch, effect.part), 'request_active']);
  turn.setSender(sender, {
    parts: { ...parts, ...Object.fromEntries(codes) },
    offers: offers.filter((offer) => !refused.includes(offer)),
  });
  for (const offer of refused) turn.reply(offer, { code: 'request_active' });
}

/** Handles the answer to a call of the sender. */
export function answered(turn: Turn, call: CallOfSender, answer: Answer): void {
  const { sender } = call;
  noteAnswer(turn, call, answer);
  if (answer.code === 'request_ended' && call.op !== 'abort') {
    turn.toRequest(sender, { type: 'request.ended', end: answer.end ?? 'failed', failure: failureOf(answer) });
    return;
  }
  switch (call.op) {
    case 'allocate':
      if (turn.sender(sender).transfers[call.batch]?.value !== 'allocating') return;
      if (answer.code === 'ok') {
        if (answer.allocation === undefined) turn.toTransfer(sender, call.batch, { type: 'allocate.queued' });
        else if (!take(turn, sender, call.batch, answer.allocation)) allocateUnderNext(turn, call);
        ended(turn, sender, answer);
        return;
      }
      if (answer.code === 'stale_grant') {
        allocateUnderNext(turn, call);
        return;
      }
      turn.toTransfer(sender, call.batch, { type: 'allocate.failed', failure: failureOf(answer) });
      return;
    case 'commit': {
      if (!isCommitting(turn.sender(sender).transfers[call.batch], call.part)) return;
      const type = answer.code === 'ok' ? 'commit.accepted' : 'commit.failed';
      turn.toTransfer(sender, call.batch, { type, failure: failureOf(answer) });
      ended(turn, sender, answer);
      return;
    }
    case 'abort':
      turn.toRequest(sender, { type: 'abort.acknowledged', end: answer.end ?? 'failed', failure: failureOf(answer) });
      return;
    case 'drained':
      return;
  }
}

/** The receiver has admitted a batch that waited. */
export function allocated(turn: Turn, sender: number, batch: number, granted: Granted): void {
  if (take(turn, sender, batch, granted)) return;
  const isQueued = turn.sender(sender).transfers[batch]?.value === 'queued';
  if (isQueued) turn.toTransfer(sender, batch, { type: 'allocate.again' });
}

/**
 * The receiver has given the batch its pages. They are written under their own remote key, and no other. False when the sender
 * has another key by now, or will have.
 */
function take(turn: Turn, sender: number, batch: number, { grant, ...allocation }: Granted): boolean {
  const { transfers, asked, reconnects } = turn.sender(sender);
  const transfer = transfers[batch];
  if (transfer?.value !== 'allocating' && transfer?.value !== 'queued') return true;
  turn.setSender(sender, { asked: { ...asked, [batch]: 0 } });
  if (allocation.pages.length > 0 && (grant !== turn.grant(sender) || reconnects)) return false;
  turn.toTransfer(sender, batch, { type: 'allocate.replied', allocation });
  return true;
}

/** Asks for pages: at once, or when the sender has connected again. */
function allocate(turn: Turn, sender: number, batch: number): void {
  const { again, reconnects } = turn.sender(sender);
  if (reconnects) turn.setSender(sender, { again: [...again, batch] });
  else ask(turn, { op: 'allocate', sender, batch, grant: turn.grant(sender) });
}

/** The remote key of the call is revoked. */
function allocateUnderNext(turn: Turn, { sender, batch, grant }: AllocateCall): void {
  if (grant === turn.grant(sender)) turn.setSender(sender, { reconnects: true });
  allocate(turn, sender, batch);
}

/** The receiver has answered how far the batches are that wait. It replaces the notices that were lost. */
export function learned(turn: Turn, sender: number, { batch, isQueued, joinsPending }: BatchState): void {
  const { value } = turn.sender(sender).transfers[batch] ?? {};
  if (value === 'queued' && !isQueued) turn.toTransfer(sender, batch, { type: 'allocate.again' });
  else if (value === 'joining' && joinsPending === 0) turn.toTransfer(sender, batch, { type: 'join.resolved' });
}

/** The answer to a message may have the end of the request. */
function ended(turn: Turn, sender: number, { end }: Answer): void {
  if (end !== undefined) turn.toRequest(sender, { type: 'request.ended', end, failure: null });
}

/** The sender's answer to the question whether it agrees to an end. Without an end it agrees. */
export function agreement(turn: Turn, sender: number): Answer {
  const { end, receiverAnnounces } = (turn.sender(sender).request as RequestSnapshot).context;
  const isOver = turn.sender(sender).request?.status === 'done';
  if (end !== null && (isOver || !receiverAnnounces)) return { code: 'ok', end };
  turn.toRequest(sender, { type: 'confirm.agreed' });
  return { code: 'ok' };
}

/** The sender's answer to a hand-over of joined chunks (`TransferActor.handOver`). Undefined: it answers later. */
export function handedOver(turn: Turn, call: HandOverCall): Answer | undefined {
  const { sender, effect } = call;
  const { batch, part, positions, pages, generations, grant } = effect;
  const { request, transfers, parts, offers, reconnects, gaveUp } = turn.sender(sender);
  const transfer = transfers[batch];
  const name = nameOfPart(batch, part);
  const known = turn.forgetsParts && transfer === undefined ? undefined : parts[name];
  const note = (what: string) => turn.setSender(sender, { parts: { ...parts, [name]: what } });
  const refuse = (code: 'stale_grant' | 'request_active'): Answer => {
    note(code);
    return { code };
  };
  if (known === 'stale_grant' || known === 'request_active') return { code: known };
  if (known !== undefined) return { code: 'ok' };
  if (offers.some((offer) => offer.effect.batch === batch && offer.effect.part === part)) return undefined;
  if (request?.status === 'done') return { code: 'request_ended', end: request.context.end ?? 'failed' };
  if (transfer === undefined) return { code: 'unknown_request' };
  if (gaveUp) return { code: 'receiver_lost' };
  if (grant !== turn.grant(sender) || reconnects) return refuse('stale_grant');
  if (!TAKING.includes(String(transfer.value))) return refuse('request_active');
  turn.setSender(sender, { offers: [...offers, call] });
  const placements = positions.map((position, index) => ({
    position,
    page: pages[index] as number,
    generation: generations[index] as number,
  }));
  turn.toTransfer(sender, batch, { type: 'join.handed-over', part: { part, placements } });
  return undefined;
}

/** The sender declares the receiver dead, without or with a proof. */
export function giveUpReceiver(turn: Turn, sender: number, proof: boolean): void {
  turn.setSender(sender, { gaveUp: true, reconnects: false, proof });
  turn.toRequest(sender, { type: 'receiver.lost', failure: lost });
  if (turn.sender(sender).request?.matches({ aborting: 'asking' }) === true) {
    turn.toRequest(sender, { type: proof ? 'end.certain' : 'abort.unreachable' });
  } else if (proof && turn.sender(sender).request?.matches({ aborting: 'doubting' }) === true) {
    turn.toRequest(sender, { type: 'end.certain' });
  }
}

/** The sender connects again: the receiver gives it another remote key, after it has revoked the old one. */
export function reconnect(turn: Turn, sender: number): void {
  const connection = turn.sender(sender).connection + 1;
  turn.setSender(sender, { connection, reconnects: false });
  turn.state.lost = turn.state.lost.with(sender, false);
  turn.execute({ type: 'grant', grant: grantOf(sender, connection), epoch: requestOf(sender).epoch });
  allocateAgain(turn, sender);
}

function allocateAgain(turn: Turn, sender: number): void {
  const { again, transfers } = turn.sender(sender);
  turn.setSender(sender, { again: [] });
  for (const batch of again) {
    if (transfers[batch]?.value !== 'allocating') continue;
    allocate(turn, sender, batch);
  }
}

/** The process of the sender dies. Its writes may still land until its remote key is revoked. */
export function crash(turn: Turn, sender: number): void {
  turn.setSender(sender, { request: null, transfers: {}, reconnects: false, again: [], offers: [], asked: {} });
  turn.state.writes = turn.state.writes
    .filter((write) => write.sender !== sender || !write.over)
    .map((write) => (write.sender === sender ? { ...write, reported: true } : write));
}

export function isCommitting(transfer: TransferSnapshot | undefined, { part }: TransferPart): boolean {
  return transfer?.value === 'committing' && transfer.context.current.part === part;
}

function nameOfPart(batch: number, part: number): string {
  return `${batch}/${part}`;
}
