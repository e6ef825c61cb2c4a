/** What can happen next in a situation, each with its name and what it leads to. */
import type { Placement } from '../../machines/transfer.js';
import type { StoreDescription } from '../../src/store/description.js';
import { nameOf } from '../../src/store/holder.js';
import { broken, cancelled, Draft } from './draft.js';
import {
  type Budget,
  type Call,
  type Configuration,
  grantOf,
  type Message,
  requestOf,
  type Sender,
  type State,
  type Write,
} from './state.js';
import type { StoreLog } from './store-log.js';

export interface Step {
  readonly name: string;
  /** Things that go wrong: they may happen, and need not. */
  readonly isFault: boolean;
  run(draft: Draft): void;
}

/** Every step that is possible. */
export function stepsOf(state: State, configuration: Configuration): Step[] {
  const steps: Step[] = [];
  const add = (name: string, run: (draft: Draft) => void) => steps.push({ name, isFault: false, run });
  const fail = (kind: keyof Budget, name: string, run: (draft: Draft) => void) => {
    if (state.budget[kind] === 0) return;
    const spend = (draft: Draft) => {
      draft.state.budget = { ...draft.state.budget, [kind]: draft.state.budget[kind] - 1 };
      run(draft);
    };
    steps.push({ name, isFault: true, run: spend });
  };
  for (const [sender, its] of state.senders.entries()) senderSteps(state, configuration, sender, its, add, fail);
  const seen = new Set<string>();
  for (const [index, message] of state.messages.entries()) {
    const name = wordsOf(message);
    if (seen.has(name)) continue;
    seen.add(name);
    add(`${name} arrives`, (draft) => {
      remove(draft, index);
      deliver(draft, message);
    });
    fail('duplicate', `${name} arrives, and will once more`, (draft) => deliver(draft, message));
    fail('loss', `${name} is lost`, (draft) => {
      remove(draft, index);
      missed(draft, message);
    });
  }
  for (const [index, write] of state.writes.entries()) writeSteps(state, index, write, add, fail);
  for (const [index, call] of state.unanswered.entries()) {
    add(`${wordsOf({ kind: 'call', call })} again`, (draft) => {
      draft.state.unanswered = draft.state.unanswered.filter((_, other) => other !== index);
      if (isAwaited(state, call)) draft.call(call);
    });
  }
  return steps;
}

/** What `step` leads to. */
export function follow(state: State, configuration: Configuration, log: StoreLog, step: Step): State {
  const draft = new Draft(state, configuration, log);
  step.run(draft);
  return draft.state;
}

type Add = (name: string, run: (draft: Draft) => void) => void;
type Fail = (kind: keyof Budget, name: string, run: (draft: Draft) => void) => void;

function senderSteps(
  state: State,
  configuration: Configuration,
  sender: number,
  { request, transfers, connection, reconnects }: Sender,
  add: Add,
  fail: Fail,
): void {
  const { request: name } = requestOf(sender);
  const grant = grantOf(sender, connection);
  const isGranted = state.store.description.grants.includes(grant);
  const ingest = state.ingests[sender] ?? null;
  if (request === null) {
    if (!state.lost[sender]) {
      add(`the receiver holds the sender of ${name} for lost`, (draft) => {
        draft.state.lost = draft.state.lost.map((lost, index) => lost || index === sender);
        draft.toIngest(sender, { type: 'ingest.end', end: 'failed', failure: broken });
      });
    } else if (isGranted) {
      add(`the remote key of the sender of ${name} is revoked`, (draft) => draft.fence(grant));
    }
  } else if (request.status === 'active') {
    const batches = configuration.batches[sender] ?? [];
    const { batches: put, lastIn } = request.context;
    const keys = batches[put];
    if (request.matches({ running: 'open' }) && !lastIn && keys !== undefined) {
      const last = put === batches.length - 1;
      add(`batch ${put} of ${name} is put`, (draft) =>
        draft.toRequest(sender, { type: 'batch.added', batch: put, chunks: keys.length, last }),
      );
    }
    if (request.matches('running') && put > 0) {
      fail('cancel', `${name} is cancelled at its sender`, (draft) =>
        draft.toRequest(sender, { type: 'request.cancel', failure: cancelled }),
      );
      fail('timeout', `the time of ${name} is over at its sender`, (draft) =>
        draft.toRequest(sender, { type: 'xstate.after.deadline.request.running' }),
      );
      const end = state.unnoticed.includes(sender) && lastIn ? endAt(state, sender) : undefined;
      if (end !== undefined) {
        add(`the sender asks how ${name} ended`, (draft) => {
          draft.state.unnoticed = draft.state.unnoticed.filter((other) => other !== sender);
          draft.toRequest(sender, { type: 'request.ended', end, failure: end === 'ready' ? null : cancelled });
        });
      }
    }
    fail('crash', `the sender of ${name} is killed`, (draft) => draft.crash(sender));
  }
  if (reconnects) add(`the sender of ${name} connects anew`, (draft) => draft.reconnect(sender));
  for (const [batch, transfer] of Object.entries(transfers)) {
    if (transfer.value !== 'draining') continue;
    fail('timeout', `batch ${batch} of ${name} does not drain in time`, (draft) =>
      draft.toTransfer(sender, Number(batch), { type: 'xstate.after.drainTimeout.transfer.draining' }),
    );
  }
  if (ingest?.status !== 'active') return;
  if (ingest.matches('running')) {
    fail('cancel', `${name} is cancelled at the receiver`, (draft) =>
      draft.toIngest(sender, { type: 'ingest.end', end: 'cancelled', failure: cancelled }),
    );
    fail('timeout', `the time of ${name} is over at the receiver`, (draft) =>
      draft.toIngest(sender, { type: 'xstate.after.deadline.ingest.running' }),
    );
  } else if (ingest.matches('ready')) {
    add(`${name} is read and released`, (draft) => {
      draft.execute({ type: 'release', holder: requestOf(sender), keys: undefined });
    });
  }
}

function writeSteps(state: State, index: number, write: Write, add: Add, fail: Fail): void {
  const { from, batch, part, grant, landed, reported, over } = write;
  const name = `${requestOf(from).request}/${batch} part ${part.part}`;
  const change = (draft: Draft, fields: Partial<Write>) => {
    draft.state.writes = draft.state.writes.map((other, at) => (at === index ? { ...other, ...fields } : other));
  };
  const tidy = (draft: Draft) => {
    draft.state.writes = draft.state.writes.filter(
      (each) => !(each.reported && (each.over || each.landed.every((there) => there))),
    );
  };
  for (const [chunk, placement] of part.placements.entries()) {
    if (landed[chunk] || over || !state.store.description.grants.includes(grant)) continue;
    add(`${reported ? 'late, ' : ''}chunk ${placement.position} of ${name} lands`, (draft) => {
      land(draft, write, placement);
      change(draft, { landed: landed.map((there, other) => there || other === chunk) });
      tidy(draft);
    });
  }
  if (reported) return;
  if (landed.every((there) => there)) {
    add(`${name} is delivered`, (draft) => {
      change(draft, { reported: true });
      draft.toTransfer(from, batch, { type: 'write.delivered' });
      tidy(draft);
    });
    return;
  }
  const end = (draft: Draft, drained: boolean) => {
    change(draft, { reported: true, over: over || drained });
    draft.breakConnection(from);
    draft.toTransfer(from, batch, { type: 'write.failed', failure: broken, drained });
    tidy(draft);
  };
  if (over) add(`${name} is rejected`, (draft) => end(draft, true));
  else {
    fail('fabric', `${name} fails, and nothing more can land`, (draft) => end(draft, true));
    fail('fabric', `${name} breaks off, and more may land`, (draft) => end(draft, false));
  }
}

/** Bytes land: in a page that is theirs, or this is a fault. */
function land(draft: Draft, { from, batch, grant }: Write, placement: Placement): void {
  const key = draft.keyOf(from, batch, placement.position);
  const { page } = placement;
  const owner = ownerOf(draft.state.store.description, page);
  if (owner?.writer !== nameOf(requestOf(from)) || owner.grant !== grant) {
    draft.fault(`${key} of ${requestOf(from).request} lands in page ${page}, which is ${owner?.writer ?? 'nobody'}'s`);
  }
  draft.state.arena = draft.state.arena.map((bytes, index) => (index === page ? key : bytes));
}

/** Who may write to a page now. */
function ownerOf(store: StoreDescription, page: number): { writer: string; grant: string } | undefined {
  const entry = store.entries.find(({ place, ready }) => place?.page === page && !ready);
  return entry?.place ?? store.quarantine.find((quarantined) => quarantined.page === page);
}

function deliver(draft: Draft, message: Message): void {
  switch (message.kind) {
    case 'call': {
      const { call } = message;
      if (call.op === 'handover') {
        if (draft.state.senders[call.sender]?.request !== null) draft.reply(call, draft.handedOver(call));
        return;
      }
      const answer = draft.received(call);
      if (answer !== undefined) draft.reply(call, answer);
      return;
    }
    case 'reply':
      draft.answered(message.call, message.answer);
      return;
    case 'joined':
      draft.toTransfer(message.sender, message.batch, { type: 'join.resolved' });
      return;
    case 'ended':
      draft.toRequest(message.sender, {
        type: 'request.ended',
        end: message.end,
        failure: message.end === 'ready' ? null : cancelled,
      });
      return;
  }
}

function missed(draft: Draft, message: Message): void {
  if (message.kind === 'call' || message.kind === 'reply') {
    draft.state.unanswered = [...draft.state.unanswered, message.call];
  } else if (!draft.state.unnoticed.includes(message.sender)) {
    draft.state.unnoticed = [...draft.state.unnoticed, message.sender].sort();
  }
}

/** Does whoever made this call still wait for the answer? */
function isAwaited(state: State, call: Call): boolean {
  const its = state.senders[call.sender] as Sender;
  switch (call.op) {
    case 'allocate':
      return its.transfers[call.batch]?.value === 'allocating';
    case 'commit': {
      const transfer = its.transfers[call.batch];
      return transfer?.value === 'committing' && transfer.context.current.part === call.part.part;
    }
    case 'abort':
      return its.request?.matches({ aborting: 'asking' }) === true;
    case 'drained':
      return its.request !== null;
    case 'handover':
      return state.ingests[call.sender]?.matches('running') === true && !state.lost[call.sender];
  }
}

function endAt(state: State, sender: number) {
  const name = nameOf(requestOf(sender));
  const { holders, tombstones } = state.store.description;
  if (holders.some((holder) => holder.name === name && holder.state === 'ready')) return 'ready';
  return tombstones.find(({ holder }) => holder === name)?.end;
}

function remove(draft: Draft, index: number): void {
  draft.state.messages = draft.state.messages.filter((_, other) => other !== index);
}

function wordsOf(message: Message): string {
  if (message.kind === 'joined') return `joined ${requestOf(message.sender).request}/${message.batch}`;
  if (message.kind === 'ended') return `ended ${requestOf(message.sender).request} ${message.end}`;
  const { call } = message;
  const { request } = requestOf(call.sender);
  const what = (() => {
    switch (call.op) {
      case 'allocate':
        return `allocate ${request}/${call.batch}`;
      case 'commit':
        return `commit ${request}/${call.batch} part ${call.part.part}`;
      case 'handover':
        return `handover ${request}/${call.effect.batch} part ${call.effect.part}`;
      default:
        return `${call.op} ${request}`;
    }
  })();
  if (message.kind === 'call') return what;
  const { code, end } = message.answer;
  return `the answer to ${what} (${end ?? code})`;
}
