/**
 * Runs one step, from one state to the next. It runs the shipped machines by their pure transitions, and the shipped store.
 * Stand-ins for the actors execute the effects.
 */
import { type AnyStateMachine, initialTransition } from 'xstate';
import { ingestMachine } from '../../../machines/ingest.js';
import { requestMachine } from '../../../machines/request.js';
import { transferMachine } from '../../../machines/transfer.js';
import { KvferryError } from '../../../src/protocol/errors.js';
import type { End } from '../../../src/protocol/subjects.js';
import { nameOf } from '../../../src/store/holder.js';
import type { StoreCommand, StoreEffect } from '../../../src/store/messages.js';
import { type Configuration, grantOf, requestOf } from './configuration.js';
import type { Interned } from './interned.js';
import type { AllocateCall, Answer, Call, Message } from './message.js';
import {
  type IngestSnapshot,
  NO_BYTES,
  type RequestSnapshot,
  type Sender,
  type State,
  type TransferSnapshot,
} from './state.js';
import type { StoreLog } from './store-log.js';
import { type Action, transitionOf } from './transitions.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Stand-ins for the actors, which execute effects. */
export interface StandIns {
  requestEffect(turn: Turn, sender: number, snapshot: RequestSnapshot, action: Action): void;
  transferEffect(turn: Turn, sender: number, batch: number, snapshot: TransferSnapshot, action: Action): void;
  ingestEffect(turn: Turn, sender: number, snapshot: IngestSnapshot, action: Action): void;
  storeEffect(turn: Turn, effect: Exclude<StoreEffect, { type: 'pages.freed' }>): void;
}

/** What all turns of an exploration share. */
export interface Stage {
  readonly configuration: Configuration;
  readonly log: StoreLog;
  readonly standIns: StandIns;
  /** Equal messages are the same object. */
  readonly messages: Interned<Message>;
  readonly calls: Interned<Call>;
  readonly fencesFirst: boolean;
}

export class Turn {
  readonly state: Mutable<State>;
  readonly configuration: Configuration;
  readonly #stage: Stage;
  /** Effects that wait until the transition that caused them is complete, in order, as in `src/actors/running/owners.ts`. */
  readonly #effects: (() => void)[] = [];
  #running = false;
  /** The sender whose message the receiver handles. */
  handles: number | undefined;

  constructor(state: State, stage: Stage) {
    this.state = { ...state };
    this.configuration = stage.configuration;
    this.#stage = stage;
  }

  // --- machines -----------------------------------------------------------------------------------------------------

  toRequest(sender: number, event: object): void {
    const request = this.sender(sender).request;
    if (request?.status !== 'active') return;
    const { next, actions } = transitionOf(requestMachine as AnyStateMachine, request, event);
    this.setSender(sender, { request: next });
    this.#perform(actions, (action) => this.#stage.standIns.requestEffect(this, sender, next, action));
  }

  startTransfer(sender: number, batch: number): void {
    const { request } = requestOf(sender);
    const chunkCount = this.configuration.batches[sender]?.[batch]?.length ?? 0;
    const input = { transfer: `${request}/${batch}`, batch, chunkCount, arenaPages: this.configuration.pages };
    const machine = transferMachine as AnyStateMachine;
    const [snapshot, actions] = initialTransition(machine, { ...input, drainTimeoutMs: 1 } as never);
    this.#setTransfer(sender, batch, snapshot as TransferSnapshot, actions);
  }

  toTransfer(sender: number, batch: number, event: object): void {
    const transfer = this.sender(sender).transfers[batch];
    if (transfer?.status !== 'active') return;
    const { next, actions } = transitionOf(transferMachine as AnyStateMachine, transfer, event);
    this.#setTransfer(sender, batch, next, actions);
  }

  forgetTransfer(sender: number, batch: number): void {
    const { [batch]: _, ...transfers } = this.sender(sender).transfers;
    this.setSender(sender, { transfers });
  }

  startIngest(sender: number): void {
    const { request, epoch } = requestOf(sender);
    const totalChunks = this.configuration.batches[sender]?.flat().length ?? 0;
    const input = { request, epoch, sender: `s${sender}`, totalChunks, timeoutMs: 1, rank: null };
    const [snapshot, actions] = initialTransition(ingestMachine as AnyStateMachine, input as never);
    this.#setIngest(sender, snapshot as IngestSnapshot, actions);
  }

  toIngest(sender: number, event: object): void {
    const ingest = this.state.ingests[sender];
    if (ingest?.status !== 'active') return;
    const { next, actions } = transitionOf(ingestMachine as AnyStateMachine, ingest, event);
    this.#setIngest(sender, next, actions);
  }

  replaceIngest(sender: number, ingest: IngestSnapshot | null): void {
    this.state.ingests = this.state.ingests.with(sender, ingest);
  }

  // --- store --------------------------------------------------------------------------------------------------------

  /** Runs a store command and the effects that it causes. Returns the error of a refused command. */
  execute(command: StoreCommand): Error | undefined {
    const before = this.state.store.description.pages;
    const { node, effects, error } = this.#stage.log.execute(this.state.store, command);
    this.state.store = node;
    // The content of a page counts only while the page keeps its owner.
    this.state.arena = this.state.arena.map((bytes, page) => {
      const now = node.description.pages[page];
      const isOwned = now?.state === 'writing' || now?.state === 'ready';
      return isOwned && now.generation === before[page]?.generation ? bytes : NO_BYTES;
    });
    if (error !== undefined && !(error instanceof KvferryError && error.code !== 'internal')) {
      this.fault(`${command.type}: ${error.message}`);
    }
    for (const effect of effects) {
      if (effect.type !== 'pages.freed') this.#stage.standIns.storeEffect(this, effect);
    }
    return error;
  }

  /** Runs a store command that a message of that sender has brought. */
  executeFor(sender: number, command: StoreCommand): Error | undefined {
    this.handles = sender;
    const error = this.execute(command);
    this.handles = undefined;
    return error;
  }

  /** Whether a message of that sender which may complete its request has no answer. */
  isUnanswered(sender: number, batch: number): boolean {
    const isIt = (call: Call) =>
      (call.op === 'allocate' || call.op === 'commit') && call.sender === sender && call.batch === batch;
    const { messages, unanswered, pending } = this.state;
    const isUnderWay = messages.some((message) => 'call' in message && isIt(message.call));
    return isUnderWay || unanswered.some(isIt) || pending.some(isIt);
  }

  /** The end that the receiver has recorded for that sender's request, if any. */
  tombstone(sender: number): End | undefined {
    return endOf(this.state, sender);
  }

  // --- messages -----------------------------------------------------------------------------------------------------

  call(call: Call): void {
    this.send({ kind: 'call', call: this.#stage.calls.of(call) });
  }

  reply(call: Call, answer: Answer): void {
    this.send({ kind: 'reply', call, answer });
  }

  send(message: Message): void {
    this.state.messages = [...this.state.messages, this.#stage.messages.of(message)];
  }

  /** The sender will get the answer to this call later. */
  owe(call: AllocateCall): void {
    if (!this.state.pending.includes(call)) this.state.pending = [...this.state.pending, call];
  }

  announce(sender: number, who: 'sender' | 'receiver', end: End): void {
    const ends = this.state.announced[sender] ?? [];
    this.state.announced = this.state.announced.with(sender, [...ends, `${end} by the ${who}`]);
  }

  // --- the rest -----------------------------------------------------------------------------------------------------

  sender(sender: number): Sender {
    return this.state.senders[sender] as Sender;
  }

  setSender(sender: number, change: Partial<Sender>): void {
    this.state.senders = this.state.senders.with(sender, { ...this.sender(sender), ...change });
  }

  /** The current remote key of that sender. */
  grant(sender: number): string {
    return grantOf(sender, this.sender(sender).connection);
  }

  /** The fabric revokes a remote key: no byte written under it can land any more. */
  revoke(grant: string): void {
    this.state.revoked = [...this.state.revoked, grant];
    this.state.writes = this.state.writes
      .map((write) => (write.grant === grant ? { ...write, over: true } : write))
      .filter(({ over, reported }) => !(over && reported));
  }

  /** The store learns that a remote key is revoked. */
  fence(grant: string): void {
    this.state.revoked = this.state.revoked.filter((other) => other !== grant);
    this.execute({ type: 'fence', grant });
  }

  fault(what: string): void {
    this.state.fault ??= what;
  }

  #setTransfer(sender: number, batch: number, snapshot: TransferSnapshot, actions: readonly Action[]): void {
    this.setSender(sender, { transfers: { ...this.sender(sender).transfers, [batch]: snapshot } });
    this.#perform(actions, (action) => this.#stage.standIns.transferEffect(this, sender, batch, snapshot, action));
  }

  #setIngest(sender: number, snapshot: IngestSnapshot, actions: readonly Action[]): void {
    this.replaceIngest(sender, snapshot);
    this.#perform(actions, (action) => this.#stage.standIns.ingestEffect(this, sender, snapshot, action));
  }

  #perform(actions: readonly Action[], run: (action: Action) => void): void {
    for (const action of actions) this.#effects.push(() => run(action));
    if (this.#running) return;
    this.#running = true;
    for (let effect = this.#effects.shift(); effect !== undefined; effect = this.#effects.shift()) effect();
    this.#running = false;
  }
}

/** The end that the receiver has recorded for that sender's request, if any. */
export function endOf({ store }: State, sender: number): End | undefined {
  const name = nameOf(requestOf(sender));
  const { tombstones, holders } = store.description;
  if (holders.some((holder) => holder.name === name && holder.state === 'ready')) return 'ready';
  return tombstones.find(({ holder }) => holder === name)?.end;
}
