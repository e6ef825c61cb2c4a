/** The steps of a request at its sender and at the receiver, apart from those of messages and writes. */
import type { End } from '../../../src/protocol/subjects.js';
import { nameOf } from '../../../src/store/holder.js';
import { type Configuration, grantOf, requestOf } from './configuration.js';
import { broken, cancelled, reasonOf } from './failures.js';
import type { Message } from './message.js';
import { refuseEnd } from './receiver-stand-in.js';
import { type BatchState, crash, giveUpReceiver, learned, reconnect } from './sender-stand-in.js';
import type { RequestSnapshot, Sender, State } from './state.js';
import type { Steps } from './step.js';
import { endOf, type Turn } from './turn.js';

export function addRequestSteps(steps: Steps, { batches }: Configuration, fencesFirst: boolean, sender: number): void {
  const its = steps.state.senders[sender] as Sender;
  if (its.request?.status === 'active') addSenderSteps(steps, sender, its.request, batches[sender] ?? []);
  addLossOfSender(steps, sender, its);
  addRevocation(steps, sender, its, fencesFirst);
  const { request } = requestOf(sender);
  for (const [batch, transfer] of Object.entries(its.transfers)) {
    if (transfer.value !== 'draining') continue;
    steps.strike('timeout', sender, `batch ${batch} of ${request} does not drain in time`, (turn) =>
      turn.toTransfer(sender, Number(batch), { type: 'xstate.after.drainTimeout.transfer.draining' }),
    );
  }
  addReceiverSteps(steps, sender, its);
}

/** The receiver declares a sender dead, which it may be. */
function addLossOfSender(steps: Steps, sender: number, its: Sender): void {
  const { lost, receiverDied, ingests } = steps.state;
  if (receiverDied) return;
  if (lost[sender]) {
    if (its.request !== null || ingests[sender]?.matches('deciding') !== true) return;
    steps.add(`the sender of ${requestOf(sender).request} does not answer`, (turn) => refuseEnd(turn, sender));
    return;
  }
  const lose = (turn: Turn) => {
    turn.state.lost = turn.state.lost.with(sender, true);
    if (turn.state.ingests[sender]?.matches('deciding') === true) refuseEnd(turn, sender);
    else turn.toIngest(sender, { type: 'ingest.end', end: 'failed', failure: broken });
  };
  const name = `the receiver declares the sender of ${requestOf(sender).request} dead`;
  if (its.request === null) steps.add(name, lose);
  else if (its.request.status === 'active') steps.strike('silence', sender, name, lose);
}

/**
 * The remote key of a sender is revoked: the sender is dead, or declared dead; it must connect again; or it has given the
 * receiver up, and does not report that its writes have drained. First the fabric revokes the key. Then the store learns it.
 */
function addRevocation(steps: Steps, sender: number, its: Sender, fencesFirst: boolean): void {
  const { lost, store, receiverDied } = steps.state;
  if (receiverDied) return;
  const { request } = requestOf(sender);
  const grant = grantOf(sender, its.connection);
  const isKnown = store.description.grants.includes(grant);
  const isRevoked = steps.state.revoked.includes(grant);
  const isOverdue = its.gaveUp && store.description.quarantine.some((page) => page.grant === grant);
  const isWanted = lost[sender] === true || its.reconnects || isOverdue;
  const revoke = (turn: Turn) => turn.revoke(grant);
  const notify = (turn: Turn) => {
    turn.fence(grant);
    if (its.reconnects) reconnect(turn, sender);
  };
  const revoked = `the remote key of ${request} is revoked`;
  const notified = `the store is notified that the remote key of ${request} is revoked`;
  if (isKnown && isRevoked) steps.add(notified, notify);
  else if (isKnown && isWanted && fencesFirst) steps.add(notified, (turn) => turn.fence(grant));
  else if (isKnown && isWanted) steps.add(revoked, revoke);
  else if (!isKnown && !isRevoked && fencesFirst) steps.add(revoked, revoke);
  else if (!isKnown && its.reconnects) {
    steps.add(`the sender of ${request} connects again`, (turn) => reconnect(turn, sender));
  }
}

function addSenderSteps(
  steps: Steps,
  sender: number,
  snapshot: RequestSnapshot,
  batches: readonly (readonly string[])[],
): void {
  const { state } = steps;
  const its = state.senders[sender] as Sender;
  const { request } = requestOf(sender);
  const { batches: put, lastIn } = snapshot.context;
  const keys = batches[put];
  const isOffered = snapshot.matches('offered');
  if ((isOffered || snapshot.matches({ running: 'open' })) && !lastIn && keys !== undefined) {
    const last = put === batches.length - 1;
    steps.add(`batch ${put} of ${request} is put`, (turn) =>
      turn.toRequest(sender, { type: 'batch.added', batch: put, chunks: keys.length, last }),
    );
  }
  steps.strike('crash', sender, `the sender of ${request} is killed`, (turn) => crash(turn, sender));
  if (isOffered) {
    addOfferedSteps(steps, sender, put);
    return;
  }
  if (put > 0 && !its.gaveUp && !state.receiverDied) {
    steps.strike('silence', sender, `the sender of ${request} declares the receiver dead`, (turn) =>
      giveUpReceiver(turn, sender, false),
    );
  }
  if (state.receiverDied && !its.gaveUp) {
    steps.add(`the sender of ${request} misses the receiver`, (turn) => giveUpReceiver(turn, sender, false));
  }
  if (state.receiverDied && !its.proof) {
    steps.add(`the sender of ${request} has the proof that the receiver is dead`, (turn) =>
      giveUpReceiver(turn, sender, true),
    );
  }
  if (!snapshot.matches('running') || put === 0) return;
  steps.strike('cancel', sender, `${request} is cancelled at its sender`, (turn) =>
    turn.toRequest(sender, { type: 'request.cancel', failure: cancelled }),
  );
  steps.strike('timeout', sender, `the time of ${request} is over at its sender`, (turn) =>
    turn.toRequest(sender, { type: 'xstate.after.deadline.request.running' }),
  );
  if (!mayAsk(state, sender) || its.gaveUp || state.receiverDied) return;
  const answer = answerToInquiry(state, sender);
  if (answer === undefined) return;
  steps.add(`the sender asks what has become of ${request}`, (turn) => {
    turn.state.unnoticed = turn.state.unnoticed.filter((other) => other !== sender);
    const { end, batches: waiting } = answer;
    if (end !== undefined) turn.toRequest(sender, { type: 'request.ended', end, failure: reasonOf(end) });
    else for (const batch of waiting) learned(turn, sender, batch);
  });
}

/** A router names the receiver, unless it is dead; or the request ends before. */
function addOfferedSteps(steps: Steps, sender: number, put: number): void {
  if (put === 0) return;
  const { request } = requestOf(sender);
  const route = { type: 'request.routed', receiver: 'd', timeoutMs: 1, hasRanks: false };
  const expire = (turn: Turn) => turn.toRequest(sender, { type: 'xstate.after.deadline.request.offered' });
  const late = `no router names the receiver of ${request} in time`;
  if (steps.state.receiverDied) steps.add(late, expire);
  else {
    steps.add(`a router names the receiver of ${request}`, (turn) => turn.toRequest(sender, route));
    steps.strike('timeout', sender, late, expire);
  }
  steps.strike('cancel', sender, `${request} is cancelled before it is routed`, (turn) =>
    turn.toRequest(sender, { type: 'request.cancel', failure: cancelled }),
  );
}

/** A sender asks from time to time: when a notice was lost, and when nothing else is under way for its request. */
function mayAsk({ unnoticed, messages, unanswered }: State, sender: number): boolean {
  if (unnoticed.includes(sender)) return true;
  const isIts = (message: Message) => ('sender' in message ? message.sender : message.call.sender) === sender;
  return !messages.some(isIts) && !unanswered.some((call) => call.sender === sender);
}

/** What a sender would learn by a question, or undefined if the answer would change nothing. */
function answerToInquiry(state: State, sender: number): { end?: End; batches: readonly BatchState[] } | undefined {
  const end = endOf(state, sender);
  if (end !== undefined) return { end, batches: [] };
  const holder = state.store.description.holders.find(({ name }) => name === nameOf(requestOf(sender)));
  const { joinsPending = {} } = state.ingests[sender]?.context ?? {};
  const batches = Object.entries(state.senders[sender]?.transfers ?? {}).map(([key, { value }]) => {
    const batch = Number(key);
    const isQueued = holder?.batches.find((its) => its.batch === batch)?.allocation === null;
    return { batch, value, isQueued, joinsPending: joinsPending[batch] ?? 0 };
  });
  const news = batches.filter(({ value, isQueued, joinsPending: joins }) =>
    value === 'queued' ? !isQueued : value === 'joining' && joins === 0,
  );
  return news.length === 0 ? undefined : { batches: news };
}

function addReceiverSteps(steps: Steps, sender: number, its: Sender): void {
  const ingest = steps.state.ingests[sender];
  if (ingest?.status !== 'active') return;
  const { request } = requestOf(sender);
  if (ingest.matches('running')) {
    steps.strike('cancel', sender, `${request} is cancelled at the receiver`, (turn) =>
      turn.toIngest(sender, { type: 'ingest.end', end: 'cancelled', failure: cancelled }),
    );
    const expire = (turn: Turn) => turn.toIngest(sender, { type: 'xstate.after.deadline.ingest.running' });
    const name = `the time of ${request} is over at the receiver`;
    if (its.gaveUp) steps.add(name, expire);
    else steps.strike('timeout', sender, name, expire);
  } else if (ingest.matches('ready')) {
    steps.add(`${request} is read and released`, (turn) => {
      turn.execute({ type: 'release', holder: requestOf(sender), keys: undefined });
    });
  }
}
