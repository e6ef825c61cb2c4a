/** Stand-in for `request-actor.ts` and `transfer-actor.ts`. It also answers hand-overs, as a prefill agent does. */
import type { TransferPart } from '../../../machines/allocation.js';
import type { Failure } from '../../../src/protocol/fields.js';
import { grantOf, requestOf } from './configuration.js';
import { broken, failureOf, lost, reasonOf } from './failures.js';
import type { Answer, Call } from './message.js';
import type { RequestSnapshot, TransferSnapshot, Write } from './state.js';
import type { Action } from './transitions.js';
import type { Turn } from './turn.js';

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
    case 'settleTransfers':
      for (const batch of transfers) turn.toTransfer(sender, batch, { type: 'transfer.settle' });
      return;
    case 'cancelTransfers': {
      const { failure } = params as { failure: Failure };
      for (const batch of transfers) turn.toTransfer(sender, batch, { type: 'transfer.cancel', failure });
      return;
    }
    case 'sendAbort':
      if (turn.sender(sender).gaveUp) turn.toRequest(sender, { type: 'abort.unreachable' });
      else turn.call({ op: 'abort', sender, end: context.wish?.end ?? 'failed' });
      return;
    case 'resolveDoubt':
      turn.call({ op: 'abort', sender, end: context.wish?.end ?? 'failed' });
      return;
    case 'sendDrained':
      if (context.end === 'ready' || turn.sender(sender).gaveUp) return;
      if (context.drained) turn.call({ op: 'drained', sender });
      else turn.setSender(sender, { reconnects: true });
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
      turn.call({ op: 'allocate', sender, batch, grant: turn.grant(sender), again: false });
      return;
    case 'startWrite':
      startWrite(turn, sender, batch, context);
      return;
    case 'sendCommit':
      turn.call({ op: 'commit', sender, batch, part: context.current });
      return;
    case 'reportCommitted':
      turn.forgetTransfer(sender, batch);
      turn.toRequest(sender, { type: 'transfer.committed', batch });
      return;
    case 'reportAborted': {
      const { failure, drained } = context;
      const unanswered = turn.isUnanswered(sender, batch);
      turn.forgetTransfer(sender, batch);
      turn.toRequest(sender, { type: 'transfer.aborted', batch, failure, drained, unanswered });
      return;
    }
  }
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
  // A part that was handed over for an earlier connection no longer has pages.
  if (part.part > 0 && !turn.sender(sender).taken.includes(takenName(batch, part.part, grant))) {
    turn.toTransfer(sender, batch, { type: 'write.failed', failure: broken, drained: true });
    return;
  }
  const isValid = turn.state.store.description.grants.includes(grant) && !turn.state.revoked.includes(grant);
  const write: Write = { sender, batch, part, grant, reported: false, over: !isValid };
  turn.state.writes = [...turn.state.writes, write];
}

/** Handles the answer to a call of the sender. */
export function answered(turn: Turn, call: Exclude<Call, { op: 'handover' }>, answer: Answer): void {
  const { sender } = call;
  if (answer.code === 'request_ended' && call.op !== 'abort') {
    turn.toRequest(sender, { type: 'request.ended', end: answer.end ?? 'failed', failure: failureOf(answer) });
    return;
  }
  switch (call.op) {
    case 'allocate':
      if (answer.allocation !== undefined) {
        turn.toTransfer(sender, call.batch, { type: 'allocate.replied', allocation: answer.allocation });
        completed(turn, sender, answer);
        return;
      }
      if (turn.sender(sender).transfers[call.batch]?.value !== 'allocating') return;
      if (answer.code === 'stale_grant' && !call.again) {
        const { again, connection, reconnects } = turn.sender(sender);
        const isCurrent = call.grant === grantOf(sender, connection);
        turn.setSender(sender, { again: [...again, call.batch], reconnects: reconnects || isCurrent });
        if (!turn.sender(sender).reconnects) allocateAgain(turn, sender);
        return;
      }
      turn.toTransfer(sender, call.batch, { type: 'allocate.failed', failure: failureOf(answer) });
      return;
    case 'commit': {
      if (!isCommitting(turn.sender(sender).transfers[call.batch], call.part)) return;
      const type = answer.code === 'ok' ? 'commit.accepted' : 'commit.failed';
      turn.toTransfer(sender, call.batch, { type, failure: failureOf(answer) });
      completed(turn, sender, answer);
      return;
    }
    case 'abort':
      turn.toRequest(sender, { type: 'abort.acknowledged', end: answer.end ?? 'failed', failure: failureOf(answer) });
      return;
    case 'drained':
      return;
  }
}

/** The message has completed the request. */
function completed(turn: Turn, sender: number, { end }: Answer): void {
  if (end !== undefined) turn.toRequest(sender, { type: 'request.ended', end, failure: reasonOf(end) });
}

/** The sender's answer to a hand-over of joined chunks (`TransferActor.handOver`). */
export function handedOver(turn: Turn, { sender, effect }: Extract<Call, { op: 'handover' }>): Answer {
  const { batch, part, positions, pages, generations, grant } = effect;
  const { transfers, taken, reconnects } = turn.sender(sender);
  const transfer = transfers[batch];
  const name = takenName(batch, part, grant);
  if (transfer === undefined) return { code: 'unknown_request' };
  if (taken.includes(name)) return { code: 'ok' };
  if (grant !== turn.grant(sender) || reconnects) return { code: 'stale_grant' };
  if (!TAKING.includes(String(transfer.value))) return { code: 'request_active' };
  turn.setSender(sender, { taken: [...taken, name] });
  const placements = positions.map((position, index) => ({
    position,
    page: pages[index] as number,
    generation: generations[index] as number,
  }));
  turn.toTransfer(sender, batch, { type: 'join.handed-over', part: { part, placements } });
  return { code: 'ok' };
}

/** The sender declares the receiver dead. */
export function giveUpReceiver(turn: Turn, sender: number): void {
  turn.setSender(sender, { gaveUp: true, reconnects: false });
  turn.toRequest(sender, { type: 'receiver.lost', failure: lost });
  if (turn.sender(sender).request?.matches({ aborting: 'asking' }) === true) {
    turn.toRequest(sender, { type: 'abort.unreachable' });
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
    turn.call({ op: 'allocate', sender, batch, grant: turn.grant(sender), again: true });
  }
}

/** The process of the sender dies. Its writes may still land until its remote key is revoked. */
export function crash(turn: Turn, sender: number): void {
  turn.setSender(sender, { request: null, transfers: {}, reconnects: false, again: [] });
  turn.state.writes = turn.state.writes
    .filter((write) => write.sender !== sender || !write.over)
    .map((write) => (write.sender === sender ? { ...write, reported: true } : write));
}

export function isCommitting(transfer: TransferSnapshot | undefined, { part }: TransferPart): boolean {
  return transfer?.value === 'committing' && transfer.context.current.part === part;
}

function takenName(batch: number, part: number, grant: string): string {
  return `${batch} ${part} ${grant}`;
}
