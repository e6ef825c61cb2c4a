/** The world of requests over two ranks that wait for pages. It shows whether two requests can wait for each other. */
import { type FaultKind, noFaults, struckKinds } from '../faults.js';
import { Numbers, type Snapshot, textOfSnapshot } from '../numbers.js';
import { STORE_OPTIONS, StoreLog } from '../store-log.js';
import type { Step, World } from '../world.js';
import {
  grantOf,
  nameOfRank,
  type Rank,
  type RankConfiguration,
  type RankMessage,
  type RankState,
} from './rank-state.js';
import { RankTurn } from './rank-turn.js';

interface RankStep extends Step {
  run(turn: RankTurn): void;
}

export function rankWorld(configuration: RankConfiguration): World<RankState, RankStep> {
  const log = new StoreLog({ ...STORE_OPTIONS, pages: configuration.pagesPerArena });
  const digests = new RankDigests();
  return {
    first: initialState(configuration, log),
    steps: (state) => stepsOf(state, configuration),
    follow: (state, step) => {
      const turn = new RankTurn(state, configuration, log);
      step.run(turn);
      return turn.state;
    },
    digest: (state) => digests.of(state),
    faultOf,
    faultAtRest: (state) => faultAtRest(state, configuration),
    struck: ({ budget }): readonly FaultKind[] => struckKinds(configuration.budget, budget),
  };
}

function initialState({ arenaOfRank, requests, budget }: RankConfiguration, log: StoreLog): RankState {
  const stores = [...new Set(arenaOfRank)].sort().map((arena) => {
    let store = log.empty();
    for (const [rank, its] of arenaOfRank.entries()) {
      if (its === arena) store = log.execute(store, { type: 'grant', grant: grantOf(rank), epoch: `e${rank}` }).node;
    }
    return store;
  });
  const announced = Object.fromEntries(requests.map((request) => [request, []]));
  return { stores, groups: {}, ingests: {}, put: [], messages: [], announced, struck: [], budget, fault: null };
}

function ranksOf({ requests, arenaOfRank }: RankConfiguration): Rank[] {
  return requests.flatMap((request) => arenaOfRank.map((_, rank) => ({ request, rank })));
}

function stepsOf(state: RankState, configuration: RankConfiguration): RankStep[] {
  const steps: RankStep[] = [];
  const add = (name: string, run: RankStep['run']) => steps.push({ name, isFault: false, run });
  for (const it of ranksOf(configuration)) {
    const name = nameOfRank(it);
    if (!state.put.includes(name)) {
      add(`${name} is put`, (turn) => {
        turn.state.put = [...turn.state.put, name].sort();
        turn.send({ kind: 'allocate', ...it });
      });
    }
    if (state.ingests[name]?.matches('ready') === true && state.announced[it.request]?.includes('ready') === true) {
      add(`${name} is read and released`, (turn) => turn.release(it));
    }
  }
  for (const [index, message] of state.messages.entries()) {
    add(`${wordsOf(message)} arrives`, (turn) => {
      turn.state.messages = turn.state.messages.toSpliced(index, 1);
      turn.deliver(message);
    });
  }
  return steps;
}

function wordsOf(message: RankMessage): string {
  const name = nameOfRank(message);
  if (message.kind === 'report') return `the report of ${name} (${message.state})`;
  if (message.kind === 'admit') return `the turn of ${name}`;
  if (message.kind === 'prepare') return `the question whether ${name} is complete`;
  if (message.kind === 'verdict') return `the verdict for ${name} (${message.end})`;
  return `${message.kind} ${name}`;
}

class RankDigests {
  readonly #numbers = new Numbers();

  of({ stores, groups, ingests, messages, put, announced, struck, budget }: RankState): string {
    const snapshots = [groups, ingests].map((its) => {
      const names = Object.keys(its).sort();
      return names.map(
        (name) => `${name} ${this.#numbers.ofPart(its[name] as Snapshot, (one) => [textOfSnapshot(one)])}`,
      );
    });
    const numbers = stores.map(({ number }) => number);
    const plain = [put, announced, struck, budget].map((part) => this.#plain(part));
    return `${numbers} ${snapshots} ${messages.map((message) => this.#plain(message)).sort()} ${plain}`;
  }

  #plain(part: object): number {
    return this.#numbers.ofPart(part, (its) => [JSON.stringify(its)])[0] as number;
  }
}

function faultOf({ fault, stores, announced }: RankState): string | undefined {
  if (fault !== null) return fault;
  for (const store of stores) if (store.broken !== undefined) return store.broken;
  for (const [request, ends] of Object.entries(announced)) {
    if (ends.length > 1) return `${request} was announced ${ends.join(', then ')}`;
  }
  return undefined;
}

function faultAtRest(state: RankState, configuration: RankConfiguration): string | undefined {
  const waiting = ranksOf(configuration).filter((it) => state.ingests[nameOfRank(it)]?.status === 'active');
  if (waiting.length > 0) return `these ranks wait for ever: ${waiting.map(nameOfRank).join(', ')}`;
  for (const [request, ends] of Object.entries(state.announced)) {
    if (ends.length === 0) return `no end of ${request} was announced`;
    if (!state.struck.includes(request) && ends[0] !== 'ready')
      return `${request} has ended ${ends[0]} without a fault`;
  }
  for (const { description } of state.stores) {
    if (description.pages.some((page) => page.state !== 'free')) return 'a page is not free at the end';
  }
  return undefined;
}

export const rankConfigurations: Readonly<Record<string, RankConfiguration>> = {
  'ranks-two-arenas': { requests: ['x', 'y'], arenaOfRank: [0, 1], pagesPerArena: 1, budget: noFaults },
  'ranks-one-arena': { requests: ['x', 'y'], arenaOfRank: [0, 0], pagesPerArena: 2, budget: noFaults },
};

/** Explored with `--all` only. */
export const longRankConfigurations: Readonly<Record<string, RankConfiguration>> = {
  'ranks-three-arenas': { requests: ['x', 'y'], arenaOfRank: [2, 0, 1], pagesPerArena: 1, budget: noFaults },
};
