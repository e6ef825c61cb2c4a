/** Runs one step of a world of ranks: the shipped group and ingest machines, the shipped store, and stand-ins for the links. */
import { type AnyStateMachine, initialTransition } from 'xstate';
import { groupMachine } from '../../../../machines/group.js';
import { ingestMachine } from '../../../../machines/ingest.js';
import type { End } from '../../../../src/protocol/subjects.js';
import type { StoreCommand, StoreEffect } from '../../../../src/store/messages.js';
import { cancelled } from '../failures.js';
import type { StoreLog } from '../store-log.js';
import { type Action, transitionOf } from '../transitions.js';
import {
  type GroupSnapshot,
  grantOf,
  holderOf,
  type IngestSnapshot,
  nameOfRank,
  type Rank,
  type RankConfiguration,
  type RankMessage,
  type RankState,
} from './rank-state.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const group = groupMachine as AnyStateMachine;
const ingest = ingestMachine as AnyStateMachine;

export class RankTurn {
  readonly state: Mutable<RankState>;
  readonly configuration: RankConfiguration;
  readonly #log: StoreLog;

  constructor(state: RankState, configuration: RankConfiguration, log: StoreLog) {
    this.state = { ...state };
    this.configuration = configuration;
    this.#log = log;
  }

  send(message: RankMessage): void {
    this.state.messages = [...this.state.messages, message];
  }

  deliver(message: RankMessage): void {
    const { kind, request, rank } = message;
    const it = { request, rank };
    switch (kind) {
      case 'allocate':
        this.#startIngest(it);
        this.#execute(it, {
          type: 'allocate',
          ...{ holder: holderOf(it), grant: grantOf(rank), batch: 0, last: true, totalChunks: 1 },
          ...{ keys: [nameOfRank(it)], lengths: [1], held: true },
        });
        return;
      case 'commit': {
        const { pages, generations } = message.allocation;
        this.#execute(it, {
          type: 'commit',
          holder: holderOf(it),
          batch: 0,
          part: 0,
          pages,
          generations,
          lengths: [1],
        });
        return;
      }
      case 'report':
        this.#report(it, message.state);
        return;
      case 'admit':
        this.#execute(it, { type: 'admit', holders: this.#unitOf(it).map(holderOf) });
        return;
      case 'prepare':
        this.#prepare(it);
        return;
      case 'verdict':
        this.toIngest(it, {
          type: 'end.announced',
          end: message.end,
          failure: message.end === 'ready' ? null : cancelled,
        });
        if (this.#isAnswered('verdict', request)) this.toGroup(request, { type: 'ranks.told' });
        return;
    }
  }

  toGroup(request: string, event: object): void {
    const snapshot = this.state.groups[request];
    if (snapshot?.status !== 'active') return;
    const { next, actions } = transitionOf(group, snapshot, event);
    this.#setGroup(request, next, actions);
  }

  toIngest(it: Rank, event: object): void {
    const snapshot = this.state.ingests[nameOfRank(it)];
    if (snapshot?.status !== 'active') return;
    const { next, actions } = transitionOf(ingest, snapshot, event);
    this.#setIngest(it, next, actions);
  }

  release(it: Rank): void {
    this.#execute(it, { type: 'release', holder: holderOf(it), keys: undefined });
  }

  // --- the agent that leads the ranks ---------------------------------------------------------------------------------

  #report(it: Rank, state: Extract<RankMessage, { kind: 'report' }>['state']): void {
    const { request, rank } = it;
    if (this.state.groups[request] === undefined) {
      const receivers = this.configuration.arenaOfRank.map(String);
      const [snapshot, actions] = initialTransition(group, { request, receivers, timeoutMs: 1 } as never);
      this.#setGroup(request, snapshot as GroupSnapshot, actions);
    }
    if (state === 'held') this.toGroup(request, { type: 'rank.came', rank });
    else if (state === 'running') this.toGroup(request, { type: 'rank.admitted', rank });
    else if (state === 'complete') this.toGroup(request, { type: 'rank.completed', rank });
    else this.toGroup(request, { type: 'rank.failed', rank, end: state, failure: cancelled });
  }

  #setGroup(request: string, snapshot: GroupSnapshot, actions: readonly Action[]): void {
    this.state.groups = { ...this.state.groups, [request]: snapshot };
    for (const action of actions) this.#groupEffect(request, snapshot.context.end ?? 'failed', action);
  }

  #groupEffect(request: string, end: End, { type, params }: Action): void {
    const { arenaOfRank } = this.configuration;
    switch (type) {
      case 'giveTurn': {
        const { receiver } = params as { receiver: string };
        this.send({ kind: 'admit', request, rank: arenaOfRank.indexOf(Number(receiver)) });
        return;
      }
      case 'prepare':
        for (const rank of arenaOfRank.keys()) this.send({ kind: 'prepare', request, rank });
        return;
      case 'decide':
        this.toGroup(request, { type: 'end.certain' });
        return;
      case 'tellRanks':
        for (const rank of arenaOfRank.keys()) this.send({ kind: 'verdict', request, rank, end });
        return;
      case 'announce':
        this.state.announced = { ...this.state.announced, [request]: [...(this.state.announced[request] ?? []), end] };
        return;
    }
  }

  /** Every rank has answered this question of the lead. */
  #isAnswered(kind: 'prepare' | 'verdict', request: string): boolean {
    return !this.state.messages.some((message) => message.kind === kind && message.request === request);
  }

  // --- the receiver of a rank -----------------------------------------------------------------------------------------

  #startIngest(it: Rank): void {
    const { rank } = it;
    const input = { ...holderOf(it), sender: `s${rank}`, totalChunks: 1, timeoutMs: 1, rank };
    const [snapshot, actions] = initialTransition(ingest, input as never);
    this.#setIngest(it, snapshot as IngestSnapshot, actions);
  }

  /** The ranks of the request at the arena of this rank. */
  #unitOf({ request, rank }: Rank): Rank[] {
    const { arenaOfRank } = this.configuration;
    return [...arenaOfRank.keys()]
      .filter((other) => arenaOfRank[other] === arenaOfRank[rank])
      .map((other) => ({ request, rank: other }));
  }

  #prepare(it: Rank): void {
    const { request, rank } = it;
    const isThere = this.state.ingests[nameOfRank(it)]?.matches({ running: 'gathering' }) === true;
    if (!isThere) this.toGroup(request, { type: 'rank.failed', rank, end: 'failed', failure: cancelled });
    else if (this.#isAnswered('prepare', request)) this.toGroup(request, { type: 'ranks.prepared' });
  }

  #setIngest(it: Rank, snapshot: IngestSnapshot, actions: readonly Action[]): void {
    this.state.ingests = { ...this.state.ingests, [nameOfRank(it)]: snapshot };
    for (const { type } of actions) this.#ingestEffect(it, snapshot, type);
  }

  #ingestEffect({ request, rank }: Rank, { context }: IngestSnapshot, type: string): void {
    const it = { request, rank };
    const { end } = context;
    switch (type) {
      case 'reportHeld':
        this.send({ kind: 'report', ...it, state: 'held' });
        return;
      case 'reportAdmitted':
        this.send({ kind: 'report', ...it, state: 'running' });
        return;
      case 'reportComplete':
        this.send({ kind: 'report', ...it, state: 'complete' });
        return;
      case 'decide':
        this.send({ kind: 'report', ...it, state: end === null || end === 'ready' ? 'complete' : end });
        return;
      case 'recordEnd':
        this.#execute(it, {
          type: 'end',
          holder: holderOf(it),
          end: end ?? 'failed',
          reason: context.failure ?? undefined,
        });
        return;
    }
  }

  #execute({ rank }: Rank, command: StoreCommand): void {
    const arena = this.configuration.arenaOfRank[rank] as number;
    const { node, effects, error } = this.#log.execute(
      this.state.stores[arena] as RankState['stores'][number],
      command,
    );
    this.state.stores = this.state.stores.with(arena, node);
    if (error !== undefined) this.state.fault ??= `${command.type}: ${error.message}`;
    for (const effect of effects) if (effect.type !== 'pages.freed') this.#storeEffect(effect);
  }

  #storeEffect(effect: Exclude<StoreEffect, { type: 'pages.freed' }>): void {
    const it = { request: effect.holder.request, rank: Number(effect.holder.epoch.slice(1)) };
    switch (effect.type) {
      case 'allocated': {
        const { allocation, batch, last, bytes } = effect;
        // The sender writes as soon as it has the answer, and then commits.
        this.send({ kind: 'commit', ...it, allocation });
        this.toIngest(it, { type: 'batch.allocated', batch, last, written: 1, ready: 0, joined: 0, bytes });
        return;
      }
      case 'chunks.ready':
      case 'leases.ended':
        this.toIngest(it, effect);
        return;
      case 'queued':
        this.toIngest(it, { type: effect.held ? 'batch.held' : 'batch.queued' });
        return;
      case 'refused':
      case 'handed.over':
        this.state.fault ??= `${nameOfRank(it)}: unexpected ${effect.type}, because no two ranks have a chunk in common`;
        return;
    }
  }
}
