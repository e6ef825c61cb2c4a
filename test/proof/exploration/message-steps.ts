/** The steps of messages in flight: a message arrives, arrives twice, or is lost and sent again. */
import { reasonOf } from './failures.js';
import { type Call, type CallOfSender, type HandOverCall, type Message, wordsOf, wordsOfCall } from './message.js';
import { confirmed, handOverAnswered, received } from './receiver-stand-in.js';
import { agreement, allocated, answered, askAgain, handedOver, isCommitting } from './sender-stand-in.js';
import type { Sender, State } from './state.js';
import type { Steps } from './step.js';
import type { Turn } from './turn.js';

export function addMessageSteps(steps: Steps): void {
  const { messages, unanswered } = steps.state;
  for (const [index, message] of messages.entries()) {
    // Equal messages lead to equal states.
    if (messages.indexOf(message) < index) continue;
    const words = wordsOf(message);
    steps.add(`${words} arrives`, (turn) => {
      remove(turn, index);
      deliver(turn, message);
    });
    steps.fail('duplicate', `${words} arrives, and will once more`, (turn) => deliver(turn, message));
    steps.fail('loss', `${words} is lost`, (turn) => {
      remove(turn, index);
      missed(turn, message);
    });
    if (message.kind !== 'call') continue;
    steps.fail('deaf', `nobody is subscribed to ${words}`, (turn) => {
      remove(turn, index);
      missed(turn, message);
    });
  }
  for (const [index, call] of unanswered.entries()) {
    steps.add(`${wordsOfCall(call)} again`, (turn) => {
      turn.state.unanswered = unanswered.toSpliced(index, 1);
      askAgain(turn, call);
    });
  }
}

function deliver(turn: Turn, message: Message): void {
  switch (message.kind) {
    case 'call':
      deliverCall(turn, message.call);
      return;
    case 'reply':
      if (message.call.op === 'handover') handOverAnswered(turn, message.call, message.answer);
      else if (message.call.op === 'confirm') confirmed(turn, message.call.sender, message.answer);
      else answered(turn, message.call, message.answer);
      return;
    case 'allocated':
      allocated(turn, message.sender, message.batch, message.allocation);
      return;
    case 'joined':
      turn.toTransfer(message.sender, message.batch, { type: 'join.resolved' });
      return;
    case 'ended': {
      const { sender, end } = message;
      turn.toRequest(sender, { type: 'request.ended', end, failure: reasonOf(end) });
      return;
    }
  }
}

function deliverCall(turn: Turn, call: Call): void {
  // A dead process does not answer: `isInert`.
  if (call.op === 'handover') answerHandOver(turn, call);
  else if (call.op === 'confirm') turn.reply(call, agreement(turn, call.sender));
  else receive(turn, call);
}

function answerHandOver(turn: Turn, call: HandOverCall): void {
  const answer = handedOver(turn, call);
  if (answer !== undefined) turn.reply(call, answer);
}

function receive(turn: Turn, call: CallOfSender): void {
  const answer = received(turn, call);
  if (answer !== undefined) turn.reply(call, answer);
}

/** After a lost call or answer, the call is repeated. After a lost notice, the sender asks the receiver. */
function missed(turn: Turn, message: Message): void {
  const { state } = turn;
  if (message.kind === 'call' || message.kind === 'reply') state.unanswered = [...state.unanswered, message.call];
  else if (!state.unnoticed.includes(message.sender)) state.unnoticed = [...state.unnoticed, message.sender].sort();
}

/** The state without messages whose arrival changes nothing, and without calls that their caller does not repeat any more. */
export function withoutInert(state: State): State {
  const messages = state.messages.filter((message) => !isInert(state, message));
  const unanswered = state.unanswered.filter((call) => isAwaited(state, call));
  const isSame = messages.length === state.messages.length && unanswered.length === state.unanswered.length;
  return isSame ? state : { ...state, messages, unanswered };
}

function isInert(state: State, message: Message): boolean {
  const { request, transfers } = state.senders[senderOf(message)] as Sender;
  if (message.kind === 'call') {
    const { op } = message.call;
    return op === 'handover' || op === 'confirm' ? request === null : state.receiverDied;
  }
  if (message.kind === 'joined' || message.kind === 'allocated') return transfers[message.batch] === undefined;
  if (message.kind === 'reply') {
    const { call, answer } = message;
    // Its loss would have an effect: the call would be repeated.
    if (state.budget.loss > 0 && isAwaited(state, call)) return false;
    if (call.op === 'handover') return answer.code === 'ok' || state.ingests[call.sender]?.matches('running') !== true;
    if (call.op === 'confirm') return state.ingests[call.sender]?.matches('deciding') !== true;
    if (call.op === 'drained') return true;
  }
  return request?.status !== 'active';
}

function senderOf(message: Message): number {
  return 'sender' in message ? message.sender : message.call.sender;
}

/** Does the caller still wait for the answer? */
function isAwaited(state: State, call: Call): boolean {
  const { request, transfers, gaveUp } = state.senders[call.sender] as Sender;
  if (state.receiverDied) return false;
  const isDoubting = request?.matches({ aborting: 'doubting' }) === true;
  if (gaveUp && call.op !== 'handover' && call.op !== 'confirm' && !isDoubting) return false;
  switch (call.op) {
    case 'allocate':
      return transfers[call.batch]?.value === 'allocating';
    case 'commit':
      return isCommitting(transfers[call.batch], call.part);
    case 'abort':
      return isDoubting || request?.matches({ aborting: 'asking' }) === true;
    case 'drained':
      return request !== null;
    case 'confirm':
      return state.ingests[call.sender]?.matches('deciding') === true && request !== null;
    case 'handover':
      return state.ingests[call.sender]?.matches('running') === true && !state.lost[call.sender];
  }
}

function remove(turn: Turn, index: number): void {
  turn.state.messages = turn.state.messages.toSpliced(index, 1);
}
