/** Runs one step of a world of ranks: the shipped group and ingest machines, and the shipped store. */
import { type AnyStateMachine, initialTransition } from 'xstate';
import { groupMachine } from '../../../../machines/group.js';
import { ingestMachine } from '../../../../machines/ingest.js';
import type { End } from '../../../../src/protocol/subjects.js';
import type { StoreCommand, StoreEffect } from '../../../../src/store/messages.js';
import { broken } from '../failures.js';
import { Mailboxes } from '../mailboxes.js';
import type { StoreLog, StoreNode } from '../store-log.js';
import { type Action, type Transition, transitionOf } from '../transitions.js';
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
  type Report,
} from './rank-state.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Effect = Exclude<StoreEffect, { type: 'pages.freed' }>;

/** Stand-in for the agent that leads the ranks. */
export interface Lead {
  receiverOf(agent: number): string;
  report(turn: RankTurn, it: Rank, state: Report): void;
  answered(turn: RankTurn, it: Rank, isOk: boolean): void;
  groupEffect(turn: RankTurn, request: string, snapshot: GroupSnapshot, action: Action): void;
}

/** What all turns of an exploration share. */
export interface RankStage {
  readonly configuration: RankConfiguration;
  readonly log: StoreLog;
  readonly lead: Lead;
  /** Plants a defect: ranks get pages without a turn. */
  readonly skipsTurns: boolean;
}

export class RankTurn {
  readonly state: Mutable<RankState>;
  readonly configuration: RankConfiguration;
  readonly #stage: RankStage;
  readonly #mailboxes = new Mailboxes();
  readonly #later: (() => void)[] = [];

  constructor(state: RankState, stage: RankStage) {
    this.state = { ...state };
    this.configuration = stage.configuration;
    this.#stage = stage;
  }

  /** Runs `work` at the end of the step, as if a promise had been resolved. */
  later(work: () => void): void {
    this.#later.push(work);
  }

  /** Ends the step, and returns the state that it has reached. */
  end(): RankState {
    for (let work = this.#later.shift(); work !== undefined; work = this.#later.shift()) work();
    return this.state;
  }

  send(message: RankMessage): void {
    this.state.messages = [...this.state.messages, message];
  }

  deliver(message: RankMessage): void {
    switch (message.kind) {
      case 'allocate':
        this.#allocate(message);
        return;
      case 'commit':
        this.#commit(message, message.allocation);
        return;
      case 'report':
        this.#stage.lead.report(this, rankOf(message), message.state);
        return;
      case 'admit':
        this.admit(message.request, message.to);
        return;
      case 'prepare':
        this.send({ kind: 'prepared', ...rankOf(message), ok: this.prepare(rankOf(message)) });
        return;
      case 'prepared':
        this.#stage.lead.answered(this, rankOf(message), message.ok);
        return;
      case 'verdict':
        this.inform(rankOf(message), message.end);
        this.send({ kind: 'informed', ...rankOf(message) });
        return;
      case 'informed':
        this.#stage.lead.answered(this, rankOf(message), true);
        return;
    }
  }

  // --- for the stand-in of the lead -----------------------------------------------------------------------------------

  group(request: string): GroupSnapshot | undefined {
    return this.state.groups[request];
  }

  ranksOf(request: string): Rank[] {
    return this.configuration.agentOfRank.map((_, rank) => ({ request, rank }));
  }

  /** Whether the lead receives the rank itself. */
  isOwn({ rank }: Rank): boolean {
    const { agentOfRank } = this.configuration;
    return agentOfRank[rank] === agentOfRank[0];
  }

  note(where: 'reported' | 'informed', name: string): void {
    if (!this.state[where].includes(name)) this.state[where] = [...this.state[where], name].sort();
  }

  forget(where: 'unanswered', name: string): void {
    this.state[where] = this.state[where].filter((other) => other !== name);
  }

  await(ranks: readonly Rank[]): void {
    this.state.unanswered = [...new Set([...this.state.unanswered, ...ranks.map(nameOfRank)])].sort();
  }

  announce(request: string, end: End): void {
    this.state.announced = { ...this.state.announced, [request]: [...(this.state.announced[request] ?? []), end] };
  }

  startGroup(request: string): void {
    if (this.state.groups[request] !== undefined) return;
    const receivers = this.configuration.agentOfRank.map(this.#stage.lead.receiverOf);
    const [next, actions] = initialTransition(
      groupMachine as AnyStateMachine,
      { request, receivers, timeoutMs: 1 } as never,
    );
    this.#moveGroup(request, () => ({ next: next as GroupSnapshot, actions }));
  }

  toGroup(request: string, event: object): void {
    this.#moveGroup(request, (group) =>
      group?.status === 'active' ? transitionOf(groupMachine as AnyStateMachine, group, event) : undefined,
    );
  }

  // --- the receivers of the ranks -------------------------------------------------------------------------------------

  toIngest(it: Rank, event: object): void {
    this.#moveIngest(it, (ingest) =>
      ingest?.status === 'active' ? transitionOf(ingestMachine as AnyStateMachine, ingest, event) : undefined,
    );
  }

  /** The ranks of the request at that agent have their turn. */
  admit(request: string, agent: number): void {
    const { agentOfRank } = this.configuration;
    const holders = this.ranksOf(request)
      .filter((it) => agentOfRank[it.rank] === agent && this.state.reported.includes(nameOfRank(it)))
      .map(holderOf);
    this.#execute(agent, { type: 'admit', holders });
  }

  /** Whether the rank is complete and waits for the end. */
  prepare(it: Rank): boolean {
    const name = nameOfRank(it);
    return !this.state.informed.includes(name) && this.state.ingests[name]?.matches({ running: 'gathering' }) === true;
  }

  /** The rank receives the end of the request. */
  inform(it: Rank, end: End): void {
    if (this.state.informed.includes(nameOfRank(it))) return;
    this.note('informed', nameOfRank(it));
    this.toIngest(it, { type: 'end.announced', end, failure: end === 'ready' ? null : broken });
  }

  release(it: Rank): void {
    this.#executeFor(it, { type: 'release', holder: holderOf(it), keys: undefined });
  }

  /** The receiver declares the sender of a rank dead, and revokes its remote key. */
  lose(rank: number): void {
    this.state.lost = [...this.state.lost, rank].sort();
    for (const request of this.configuration.requests) {
      this.toIngest({ request, rank }, { type: 'ingest.end', end: 'failed', failure: broken });
    }
    this.#execute(this.configuration.agentOfRank[rank] as number, { type: 'fence', grant: grantOf(rank) });
  }

  #allocate({ request, rank }: Rank): void {
    const it = { request, rank };
    if (this.state.lost.includes(rank)) return;
    if (this.state.ingests[nameOfRank(it)] === undefined) {
      const input = { ...holderOf(it), sender: `s${rank}`, totalChunks: 1, timeoutMs: 1, rank };
      const [next, actions] = initialTransition(ingestMachine as AnyStateMachine, input as never);
      this.#moveIngest(it, () => ({ next: next as IngestSnapshot, actions }));
    }
    this.#executeFor(it, {
      type: 'allocate',
      ...{ holder: holderOf(it), grant: grantOf(rank), batch: 0, last: true, totalChunks: 1 },
      ...{ keys: [nameOfRank(it)], lengths: [1], held: !this.#stage.skipsTurns },
    });
  }

  #commit(
    { request, rank }: Rank,
    { pages, generations }: { pages: readonly number[]; generations: readonly number[] },
  ): void {
    const it = { request, rank };
    const holder = holderOf(it);
    const command = { holder, batch: 0, part: 0, pages, generations, lengths: [1] };
    const error = this.#executeFor(it, { type: 'commit', ...command });
    // The sender learns that the request has ended, and reports that its write has drained.
    if (error !== undefined) this.#executeFor(it, { type: 'drained', holder });
  }

  /** Reports to the lead, which may be the same agent. */
  #say(it: Rank, state: Report): void {
    if (this.state.informed.includes(nameOfRank(it))) return;
    if (this.isOwn(it)) this.later(() => this.#stage.lead.report(this, it, state));
    else this.send({ kind: 'report', ...it, state });
  }

  #ingestEffect(it: Rank, { context }: IngestSnapshot, type: string): void {
    const { end } = context;
    switch (type) {
      case 'reportHeld':
        this.#say(it, 'held');
        return;
      case 'reportAdmitted':
        this.#say(it, 'running');
        return;
      case 'reportComplete':
        this.#say(it, 'complete');
        return;
      case 'decide':
        this.#say(it, end === null || end === 'ready' ? 'complete' : end);
        return;
      case 'recordEnd':
        this.#executeFor(it, {
          type: 'end',
          holder: holderOf(it),
          end: end ?? 'failed',
          reason: context.failure ?? undefined,
        });
        return;
    }
  }

  #executeFor({ rank }: Rank, command: StoreCommand): Error | undefined {
    return this.#execute(this.configuration.agentOfRank[rank] as number, command);
  }

  #execute(agent: number, command: StoreCommand): Error | undefined {
    const { node, effects, error } = this.#stage.log.execute(this.state.stores[agent] as StoreNode, command);
    this.state.stores = this.state.stores.with(agent, node);
    if (error !== undefined && 'code' in error && error.code === 'internal') this.state.fault ??= error.message;
    for (const effect of effects) if (effect.type !== 'pages.freed') this.#storeEffect(effect);
    return error;
  }

  #storeEffect(effect: Effect): void {
    const it = { request: effect.holder.request, rank: Number(effect.holder.epoch.slice(1)) };
    switch (effect.type) {
      case 'allocated': {
        const { allocation, batch, last, bytes, first } = effect;
        // The sender writes as soon as it has the answer, and then commits.
        if (!first) return;
        if (!this.state.dead.includes(it.rank)) this.send({ kind: 'commit', ...it, allocation });
        this.toIngest(it, { type: 'batch.allocated', batch, last, written: 1, ready: 0, joined: 0, bytes, own: true });
        return;
      }
      case 'queued':
        this.toIngest(it, { type: effect.held ? 'batch.held' : 'batch.queued' });
        return;
      case 'chunks.ready':
        this.toIngest(it, { ...effect, own: true });
        return;
      case 'leases.ended':
        this.toIngest(it, effect);
        return;
      case 'refused':
      case 'handed.over':
        this.state.fault ??= `${nameOfRank(it)}: unexpected ${effect.type}, because no two ranks have a chunk in common`;
        return;
    }
  }

  #moveGroup(request: string, move: (group: GroupSnapshot | undefined) => Transition<GroupSnapshot> | undefined): void {
    this.#mailboxes.deliver(`group ${request}`, () => {
      const moved = move(this.state.groups[request]);
      if (moved === undefined) return [];
      const { next, actions } = moved;
      this.state.groups = { ...this.state.groups, [request]: next };
      return actions.map((action) => () => this.#stage.lead.groupEffect(this, request, next, action));
    });
  }

  #moveIngest(it: Rank, move: (ingest: IngestSnapshot | undefined) => Transition<IngestSnapshot> | undefined): void {
    const name = nameOfRank(it);
    this.#mailboxes.deliver(`ingest ${name}`, () => {
      const moved = move(this.state.ingests[name]);
      if (moved === undefined) return [];
      const { next, actions } = moved;
      this.state.ingests = { ...this.state.ingests, [name]: next };
      return actions.map(
        ({ type }: Action) =>
          () =>
            this.#ingestEffect(it, next, type),
      );
    });
  }
}

function rankOf({ request, rank }: Rank): Rank {
  return { request, rank };
}
