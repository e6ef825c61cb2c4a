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
import { Mailboxes } from './mailboxes.js';
import type { Answer, Call, Message, OwedCall } from './message.js';
import {
  type IngestSnapshot,
  NO_BYTES,
  type RequestSnapshot,
  type Sender,
  type State,
  type TransferSnapshot,
} from './state.js';
import type { StoreLog } from './store-log.js';
import { type Action, type Transition, transitionOf } from './transitions.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An effect of the store that its owner carries out. */
export type EffectForOwner = Exclude<StoreEffect, { type: 'pages.freed' }>;

/** Stand-ins for the actors, which execute effects. */
export interface StandIns {
  requestEffect(turn: Turn, sender: number, snapshot: RequestSnapshot, action: Action): void;
  transferEffect(turn: Turn, sender: number, batch: number, snapshot: TransferSnapshot, action: Action): void;
  ingestEffect(turn: Turn, sender: number, snapshot: IngestSnapshot, action: Action): void;
  storeEffect(turn: Turn, effect: EffectForOwner): void;
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
  readonly forgetsParts: boolean;
}

export class Turn {
  readonly state: Mutable<State>;
  readonly configuration: Configuration;
  readonly #stage: Stage;
  /** The sender whose message the receiver handles now. */
  handled: number | undefined;
  readonly forgetsParts: boolean;
  readonly #mailboxes = new Mailboxes();
  readonly #storeEffects: EffectForOwner[] = [];
  #dispatching = false;
  readonly #later: (() => void)[] = [];

  constructor(state: State, stage: Stage) {
    this.state = { ...state };
    this.configuration = stage.configuration;
    this.forgetsParts = stage.forgetsParts;
    this.#stage = stage;
  }

  // --- machines -----------------------------------------------------------------------------------------------------

  toRequest(sender: number, event: object): void {
    this.#mailboxes.deliver(`request ${sender}`, () => {
      const { request } = this.sender(sender);
      if (request?.status !== 'active') return [];
      const { next, actions } = transitionOf(requestMachine as AnyStateMachine, request, event);
      this.setSender(sender, { request: next });
      return actions.map((action) => () => this.#stage.standIns.requestEffect(this, sender, next, action));
    });
  }

  startTransfer(sender: number, batch: number): void {
    const { request } = requestOf(sender);
    const chunkCount = this.configuration.batches[sender]?.[batch]?.length ?? 0;
    const input = { transfer: `${request}/${batch}`, batch, chunkCount, arenaPages: this.configuration.pages };
    const machine = transferMachine as AnyStateMachine;
    this.#moveTransfer(sender, batch, () => {
      const [next, actions] = initialTransition(machine, { ...input, drainTimeoutMs: 1 } as never);
      return { next: next as TransferSnapshot, actions };
    });
  }

  toTransfer(sender: number, batch: number, event: object): void {
    this.#moveTransfer(sender, batch, (transfer) =>
      transfer?.status === 'active' ? transitionOf(transferMachine as AnyStateMachine, transfer, event) : undefined,
    );
  }

  forgetTransfer(sender: number, batch: number): void {
    const { [batch]: _, ...transfers } = this.sender(sender).transfers;
    this.setSender(sender, { transfers });
  }

  startIngest(sender: number): void {
    const { request, epoch } = requestOf(sender);
    const totalChunks = this.configuration.batches[sender]?.flat().length ?? 0;
    const input = { request, epoch, sender: `s${sender}`, totalChunks, timeoutMs: 1, rank: null };
    this.#moveIngest(sender, () => {
      const [next, actions] = initialTransition(ingestMachine as AnyStateMachine, input as never);
      return { next: next as IngestSnapshot, actions };
    });
  }

  toIngest(sender: number, event: object): void {
    this.#moveIngest(sender, (ingest) =>
      ingest?.status === 'active' ? transitionOf(ingestMachine as AnyStateMachine, ingest, event) : undefined,
    );
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
    for (const effect of effects) if (effect.type !== 'pages.freed') this.#storeEffects.push(effect);
    this.#dispatch();
    return error;
  }

  /** Effects run in the order of their commands, as in `src/actors/receiving/store-actor.ts`. */
  #dispatch(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    for (let effect = this.#storeEffects.shift(); effect !== undefined; effect = this.#storeEffects.shift()) {
      this.#stage.standIns.storeEffect(this, effect);
    }
    this.#dispatching = false;
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
  owe(call: OwedCall): void {
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

  /** Runs `work` at the end of the step, as if a promise had been resolved. */
  later(work: () => void): void {
    this.#later.push(work);
  }

  /** Ends the step, and returns the state that it has reached. */
  end(): State {
    for (let work = this.#later.shift(); work !== undefined; work = this.#later.shift()) work();
    return this.state;
  }

  fault(what: string): void {
    this.state.fault ??= what;
  }

  #moveTransfer(
    sender: number,
    batch: number,
    move: (transfer: TransferSnapshot | undefined) => Transition<TransferSnapshot> | undefined,
  ): void {
    this.#mailboxes.deliver(`transfer ${sender}/${batch}`, () => {
      const moved = move(this.sender(sender).transfers[batch]);
      if (moved === undefined) return [];
      const { next, actions } = moved;
      this.setSender(sender, { transfers: { ...this.sender(sender).transfers, [batch]: next } });
      return actions.map((action) => () => this.#stage.standIns.transferEffect(this, sender, batch, next, action));
    });
  }

  #moveIngest(
    sender: number,
    move: (ingest: IngestSnapshot | null | undefined) => Transition<IngestSnapshot> | undefined,
  ): void {
    this.#mailboxes.deliver(`ingest ${sender}`, () => {
      const moved = move(this.state.ingests[sender]);
      if (moved === undefined) return [];
      const { next, actions } = moved;
      this.replaceIngest(sender, next);
      return actions.map((action) => () => this.#stage.standIns.ingestEffect(this, sender, next, action));
    });
  }
}

/** The end that the receiver has recorded for that sender's request, if any. */
export function endOf({ store }: State, sender: number): End | undefined {
  const name = nameOf(requestOf(sender));
  const { tombstones, holders } = store.description;
  if (holders.some((holder) => holder.name === name && holder.state === 'ready')) return 'ready';
  return tombstones.find(({ holder }) => holder === name)?.end;
}
