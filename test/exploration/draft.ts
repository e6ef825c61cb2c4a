/**
 * A situation on its way to the next one. Runs the shipped machines by their pure transitions and the shipped store, and does
 * what the actors do between them: the comments name the actor that each part stands for.
 */
import { type AnyStateMachine, initialTransition, transition } from 'xstate';
import { ingestMachine } from '../../machines/ingest.js';
import { requestMachine } from '../../machines/request.js';
import { type TransferPart, transferMachine } from '../../machines/transfer.js';
import { RequestEndedError } from '../../src/protocol/codec.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Failure } from '../../src/protocol/fields.js';
import type { End } from '../../src/protocol/subjects.js';
import type { StoreCommand, StoreEffect } from '../../src/store/commands.js';
import { nameOf } from '../../src/store/holder.js';
import {
  type Answer,
  type Call,
  type Configuration,
  grantOf,
  type IngestSnapshot,
  type Message,
  type RequestSnapshot,
  requestOf,
  type Sender,
  type State,
  type TransferSnapshot,
  type Write,
} from './state.js';
import type { StoreLog } from './store-log.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Action = { readonly type: string; readonly params?: unknown };

/** States of a transfer in which it takes what is handed over, as `TransferActor.handOver` has it. */
const TAKING = ['allocating', 'writing', 'committing', 'joining'];

export class Draft {
  readonly state: Mutable<State>;
  readonly #configuration: Configuration;
  readonly #log: StoreLog;
  /** Effects run when the step that asked for them is complete, in order, as in `src/actors/supervise.ts`. */
  readonly #effects: (() => void)[] = [];
  #running = false;

  constructor(state: State, configuration: Configuration, log: StoreLog) {
    this.state = { ...state };
    this.#configuration = configuration;
    this.#log = log;
  }

  // --- machines -----------------------------------------------------------------------------------------------------

  toRequest(sender: number, event: object): void {
    const request = this.state.senders[sender]?.request ?? null;
    if (request === null || request.status !== 'active') return;
    const [next, actions] = transition(requestMachine as AnyStateMachine, request, event as never);
    this.#setSender(sender, { request: next as RequestSnapshot });
    this.#perform(actions as Action[], (action) => this.#requestEffect(sender, next as RequestSnapshot, action));
  }

  toTransfer(sender: number, batch: number, event: object): void {
    const transfer = this.state.senders[sender]?.transfers[batch];
    if (transfer === undefined || transfer.status !== 'active') return;
    const [next, actions] = transition(transferMachine as AnyStateMachine, transfer, event as never);
    this.#setTransfer(sender, batch, next as TransferSnapshot, actions as Action[]);
  }

  toIngest(sender: number, event: object): void {
    const ingest = this.state.ingests[sender] ?? null;
    if (ingest === null || ingest.status !== 'active') return;
    const [next, actions] = transition(ingestMachine as AnyStateMachine, ingest, event as never);
    this.#setIngest(sender, next as IngestSnapshot, actions as Action[]);
  }

  // --- request-actor.ts ---------------------------------------------------------------------------------------------

  #requestEffect(sender: number, { context }: RequestSnapshot, { type, params }: Action): void {
    const transfers = Object.keys(this.state.senders[sender]?.transfers ?? {}).map(Number);
    switch (type) {
      case 'startTransfer':
        this.#startTransfer(sender, (params as { batch: number }).batch);
        return;
      case 'settleTransfers':
        for (const batch of transfers) this.toTransfer(sender, batch, { type: 'transfer.settle' });
        return;
      case 'cancelTransfers': {
        const { failure } = params as { failure: Failure };
        for (const batch of transfers) this.toTransfer(sender, batch, { type: 'transfer.cancel', failure });
        return;
      }
      case 'sendAbort':
        this.call({ op: 'abort', sender, end: context.wish?.end ?? 'failed' });
        return;
      case 'sendDrained':
        if (context.end === 'ready') return;
        if (context.drained) this.call({ op: 'drained', sender });
        else this.#setSender(sender, { reconnects: true });
        return;
      case 'announce':
        if (!context.receiverAnnounces) this.#announce(sender, 'sender', context.end ?? 'failed');
        return;
    }
  }

  #startTransfer(sender: number, batch: number): void {
    const { request } = requestOf(sender);
    const chunkCount = this.#configuration.batches[sender]?.[batch]?.length ?? 0;
    const input = { transfer: `${request}/${batch}`, batch, chunkCount, arenaPages: this.#configuration.pages };
    const machine = transferMachine as AnyStateMachine;
    const [snapshot, actions] = initialTransition(machine, { ...input, drainTimeoutMs: 1 } as never);
    this.#setTransfer(sender, batch, snapshot as TransferSnapshot, actions as Action[]);
  }

  // --- transfer-actor.ts --------------------------------------------------------------------------------------------

  #transferEffect(sender: number, batch: number, { context }: TransferSnapshot, { type }: Action): void {
    switch (type) {
      case 'sendAllocate':
        this.call({ op: 'allocate', sender, batch, grant: this.#grant(sender) });
        return;
      case 'startWrite':
        this.#startWrite(sender, batch, context.current);
        return;
      case 'sendCommit':
        this.call({ op: 'commit', sender, batch, part: context.current });
        return;
      case 'reportCommitted':
        this.#forgetTransfer(sender, batch);
        this.toRequest(sender, { type: 'transfer.committed', batch });
        return;
      case 'reportAborted': {
        const { failure, drained } = context;
        this.#forgetTransfer(sender, batch);
        this.toRequest(sender, { type: 'transfer.aborted', batch, failure, drained });
        return;
      }
    }
  }

  #startWrite(sender: number, batch: number, part: TransferPart): void {
    const grant = this.#grant(sender);
    const wasGiven = this.state.senders[sender]?.taken.find((taken) => taken.startsWith(`${batch} ${part.part} `));
    // Its pages were given out for a connection that is gone.
    if (part.part > 0 && wasGiven !== `${batch} ${part.part} ${grant}`) {
      this.toTransfer(sender, batch, { type: 'write.failed', failure: broken, drained: true });
      return;
    }
    const landed = part.placements.map(() => false);
    const write: Write = { from: sender, batch, part, grant, landed, reported: false, over: false };
    this.state.writes = [...this.state.writes, write];
  }

  /** A sender hears an answer to what it asked. */
  answered(call: Call, answer: Answer): void {
    const { sender } = call;
    if (answer.code === 'request_ended' && call.op !== 'abort' && call.op !== 'handover') {
      this.toRequest(sender, { type: 'request.ended', end: answer.end ?? 'failed', failure: failureOf(answer) });
      return;
    }
    switch (call.op) {
      case 'allocate':
        if (answer.allocation !== undefined) {
          this.toTransfer(sender, call.batch, { type: 'allocate.replied', allocation: answer.allocation });
          return;
        }
        if (answer.code === 'stale_grant') this.#setSender(sender, { reconnects: true });
        this.toTransfer(sender, call.batch, { type: 'allocate.failed', failure: failureOf(answer) });
        return;
      case 'commit': {
        const event = answer.code === 'ok' ? 'commit.accepted' : 'commit.failed';
        if (this.#isCommitting(sender, call.batch, call.part)) {
          this.toTransfer(sender, call.batch, { type: event, failure: failureOf(answer) });
        }
        return;
      }
      case 'abort':
        this.toRequest(sender, { type: 'abort.acknowledged', end: answer.end ?? 'failed', failure: failureOf(answer) });
        return;
      case 'handover':
        this.#handOverAnswered(call, answer);
        return;
      case 'drained':
        return;
    }
  }

  /** A sender is asked to take over joined chunks (`TransferActor.handOver`). */
  handedOver(call: Extract<Call, { op: 'handover' }>): Answer {
    const { sender, effect } = call;
    const { batch, part, positions, pages, generations, grant } = effect;
    const its = this.state.senders[sender] as Sender;
    const transfer = its.transfers[batch];
    const name = `${batch} ${part} ${grant}`;
    if (transfer === undefined) return { code: 'unknown_request' };
    if (its.taken.includes(name)) return { code: 'ok' };
    if (grant !== this.#grant(sender) || its.reconnects) return { code: 'stale_grant' };
    if (!TAKING.includes(String(transfer.value))) return { code: 'request_active' };
    this.#setSender(sender, { taken: [...its.taken, name] });
    const placements = positions.map((position, index) => ({
      position,
      page: pages[index] as number,
      generation: generations[index] as number,
    }));
    this.toTransfer(sender, batch, { type: 'join.handed-over', part: { part, placements } });
    return { code: 'ok' };
  }

  // --- ingest-actor.ts ----------------------------------------------------------------------------------------------

  #ingestEffect(sender: number, { context }: IngestSnapshot, { type, params }: Action): void {
    switch (type) {
      case 'decide':
        this.toIngest(sender, { type: 'end.certain' });
        return;
      case 'recordEnd': {
        const end = context.end ?? 'failed';
        this.execute({ type: 'end', holder: requestOf(sender), end, reason: context.failure ?? undefined });
        if (end === 'ready') return;
        for (const name of this.state.pending.filter((pending) => pending.startsWith(`${sender} `))) {
          this.#answerAllocate(name, { code: 'request_ended', end });
        }
        return;
      }
      case 'announce': {
        const end = context.end ?? 'failed';
        this.#announce(sender, 'receiver', end);
        this.#send({ kind: 'ended', sender, end });
        return;
      }
      case 'notifyJoined':
        this.#send({ kind: 'joined', sender, batch: (params as { batch: number }).batch });
        return;
    }
  }

  // --- receiver.ts --------------------------------------------------------------------------------------------------

  /** The receiver hears a call of a sender. Undefined: it is answered later. */
  received(call: Exclude<Call, { op: 'handover' }>): Answer | undefined {
    const { sender } = call;
    const holder = requestOf(sender);
    const recorded = this.tombstone(sender);
    switch (call.op) {
      case 'allocate':
        if (recorded !== undefined) return { code: 'request_ended', end: recorded };
        if (this.state.lost[sender]) return { code: 'stale_grant' };
        return this.#allocate(call);
      case 'commit': {
        const pages = call.part.placements.map(({ page }) => page);
        const generations = call.part.placements.map(({ generation }) => generation);
        const lengths = pages.map(() => 1);
        const { batch, part } = { batch: call.batch, part: call.part.part };
        const error = this.execute({ type: 'commit', holder, batch, part, pages, generations, lengths });
        return error === undefined ? { code: 'ok' } : answerOf(error);
      }
      case 'abort':
        if (recorded === undefined) {
          if (this.state.ingests[sender] === null) this.#addIngest(sender);
          this.toIngest(sender, { type: 'ingest.end', end: call.end, failure: cancelled });
        }
        return { code: 'ok', end: this.tombstone(sender) ?? call.end };
      case 'drained':
        this.execute({ type: 'drained', holder });
        return { code: 'ok' };
    }
  }

  #allocate({ sender, batch, grant }: Extract<Call, { op: 'allocate' }>): undefined {
    const batches = this.#configuration.batches[sender] ?? [];
    const keys = batches[batch] ?? [];
    const isNew = this.state.ingests[sender] === null;
    if (isNew) this.#addIngest(sender);
    const name = `${sender} ${batch} ${grant}`;
    if (!this.state.pending.includes(name)) this.state.pending = [...this.state.pending, name].sort();
    const error = this.execute({
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
    if (isNew) this.#replaceIngest(sender, null);
    this.#answerAllocate(name, answerOf(error));
    return undefined;
  }

  #answerAllocate(name: string | undefined, answer: Answer): void {
    if (name === undefined) return;
    this.state.pending = this.state.pending.filter((other) => other !== name);
    const [sender, batch, grant = ''] = name.split(' ');
    this.reply({ op: 'allocate', sender: Number(sender), batch: Number(batch), grant }, answer);
  }

  #handOverAnswered({ sender, effect }: Extract<Call, { op: 'handover' }>, { code }: Answer): void {
    if (code === 'ok') return;
    const { batch, part } = effect;
    this.execute({ type: 'decline', holder: requestOf(sender), batch, part });
    if (code !== 'stale_grant' && code !== 'request_active') {
      this.toIngest(sender, { type: 'ingest.end', end: 'failed', failure: broken });
    }
  }

  /** Runs a store command; its effects reach whom they are about. The refusal, if it was refused. */
  execute(command: StoreCommand): Error | undefined {
    const { node, effects, error } = this.#log.execute(this.state.store, command);
    this.state.store = node;
    if (error !== undefined && !(error instanceof KvferryError && error.code !== 'internal')) {
      this.fault(`${command.type}: ${error.message}`);
    }
    for (const effect of effects) if (effect.type !== 'pages.freed') this.#storeEffect(effect);
    return error;
  }

  #storeEffect(effect: Exclude<StoreEffect, { type: 'pages.freed' }>): void {
    const sender = Number(effect.holder.request.slice(1));
    switch (effect.type) {
      case 'queued':
        return;
      case 'allocated': {
        const { allocation, batch, last, bytes, first } = effect;
        const asked = this.state.pending.find((pending) => pending.startsWith(`${sender} ${batch} `));
        this.#answerAllocate(asked, { code: 'ok', allocation });
        const { pages, alreadySent, joined } = allocation;
        const counts = { written: pages.length, ready: alreadySent.length - joined.length, joined: joined.length };
        if (first) this.toIngest(sender, { type: 'batch.allocated', batch, last, ...counts, bytes });
        return;
      }
      case 'refused':
        this.toIngest(sender, { type: 'ingest.end', end: 'failed', failure: effect.reason });
        return;
      case 'chunks.ready':
        this.toIngest(sender, effect);
        return;
      case 'handed.over':
        this.toIngest(sender, { type: 'chunks.handed-over', chunks: effect.positions.length, bytes: effect.bytes });
        this.call({ op: 'handover', sender, effect });
        return;
      case 'leases.ended':
        this.toIngest(sender, effect);
        return;
    }
  }

  // --- the rest -----------------------------------------------------------------------------------------------------

  tombstone(sender: number): End | undefined {
    const name = nameOf(requestOf(sender));
    const { tombstones, holders } = this.state.store.description;
    if (holders.some((holder) => holder.name === name && holder.state === 'ready')) return 'ready';
    return tombstones.find(({ holder }) => holder === name)?.end;
  }

  keyOf(sender: number, batch: number, position: number): string {
    return this.#configuration.batches[sender]?.[batch]?.[position] ?? '';
  }

  call(call: Call): void {
    this.#send({ kind: 'call', call });
  }

  reply(call: Call, answer: Answer): void {
    this.#send({ kind: 'reply', call, answer });
  }

  /** The old remote key is revoked, and there is a new one. */
  reconnect(sender: number): void {
    const { connection } = this.state.senders[sender] as Sender;
    this.#setSender(sender, { connection: connection + 1, reconnects: false });
    this.fence(grantOf(sender, connection));
    this.execute({ type: 'grant', grant: grantOf(sender, connection + 1), epoch: requestOf(sender).epoch });
  }

  fence(grant: string): void {
    this.state.writes = this.state.writes.map((write) => (write.grant === grant ? { ...write, over: true } : write));
    this.execute({ type: 'fence', grant });
  }

  breakConnection(sender: number): void {
    this.#setSender(sender, { reconnects: true });
  }

  crash(sender: number): void {
    this.#setSender(sender, { request: null, transfers: {}, reconnects: false });
    this.state.writes = this.state.writes.map((write) =>
      write.from === sender ? { ...write, reported: true } : write,
    );
  }

  fault(what: string): void {
    this.state.fault ??= what;
  }

  #announce(sender: number, who: string, end: End): void {
    this.state.announced = this.state.announced.map((ends, index) =>
      index === sender ? [...ends, `${end} by the ${who}`] : ends,
    );
  }

  #send(message: Message): void {
    this.state.messages = [...this.state.messages, message];
  }

  #grant(sender: number): string {
    return grantOf(sender, this.state.senders[sender]?.connection ?? 0);
  }

  #isCommitting(sender: number, batch: number, part: TransferPart): boolean {
    const transfer = this.state.senders[sender]?.transfers[batch];
    return transfer?.value === 'committing' && transfer.context.current.part === part.part;
  }

  #addIngest(sender: number): void {
    const { request, epoch } = requestOf(sender);
    const totalChunks = this.#configuration.batches[sender]?.flat().length ?? 0;
    const input = { request, epoch, sender: `s${sender}`, totalChunks, timeoutMs: 1 };
    const [snapshot, actions] = initialTransition(ingestMachine as AnyStateMachine, input as never);
    this.#setIngest(sender, snapshot as IngestSnapshot, actions as Action[]);
  }

  #setIngest(sender: number, snapshot: IngestSnapshot, actions: Action[]): void {
    this.#replaceIngest(sender, snapshot);
    this.#perform(actions, (action) => this.#ingestEffect(sender, snapshot, action));
  }

  #replaceIngest(sender: number, ingest: IngestSnapshot | null): void {
    this.state.ingests = this.state.ingests.map((other, index) => (index === sender ? ingest : other));
  }

  #setTransfer(sender: number, batch: number, snapshot: TransferSnapshot, actions: Action[]): void {
    const transfers = { ...this.state.senders[sender]?.transfers, [batch]: snapshot };
    this.#setSender(sender, { transfers });
    this.#perform(actions, (action) => this.#transferEffect(sender, batch, snapshot, action));
  }

  #forgetTransfer(sender: number, batch: number): void {
    const { [batch]: _, ...transfers } = this.state.senders[sender]?.transfers ?? {};
    this.#setSender(sender, { transfers });
  }

  #setSender(sender: number, change: Partial<Sender>): void {
    this.state.senders = this.state.senders.map((other, index) => (index === sender ? { ...other, ...change } : other));
  }

  #perform(actions: readonly Action[], run: (action: Action) => void): void {
    for (const action of actions) this.#effects.push(() => run(action));
    if (this.#running) return;
    this.#running = true;
    for (let effect = this.#effects.shift(); effect !== undefined; effect = this.#effects.shift()) effect();
    this.#running = false;
  }
}

export const broken: Failure = { code: 'connection_lost', message: 'the connection broke' };
export const cancelled: Failure = { code: 'cancelled_by_caller', message: 'cancelled' };

function answerOf(error: Error): Answer {
  if (error instanceof RequestEndedError) return { code: 'request_ended', end: error.end };
  return { code: error instanceof KvferryError ? error.code : 'internal' };
}

function failureOf({ code }: Answer): Failure | null {
  return code === 'ok' ? null : { code, message: code };
}
