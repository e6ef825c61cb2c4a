/** P22: any number of groups over any arenas, in any order: with turns, every group that lives is ready in the end. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { advance, type RankState, turnOf } from '../../machines/turns.js';
import type { StoreEffect } from '../../src/store/messages.js';
import { runs } from '../support/thorough.js';
import { allocate, holderOf, TestStore } from './support.js';

interface GroupPlan {
  /** Arena and number of chunks of each rank. */
  readonly ranks: readonly { readonly arena: number; readonly chunks: number; readonly shared: boolean }[];
}

interface Script {
  readonly groups: readonly GroupPlan[];
  /** Which of the possible steps comes next. */
  readonly choices: readonly number[];
  /** The group that is cancelled, and after how many steps. */
  readonly cancelled: readonly [group: number, afterSteps: number];
}

type Step = () => void;

interface Write {
  readonly group: Ranks;
  readonly commit: Step;
}

class Ranks {
  readonly name: string;
  readonly plan: GroupPlan;
  readonly put = new Set<number>();
  readonly missing: number[];
  states: readonly RankState[];
  turn: string | null = null;
  end: 'ready' | 'cancelled' | undefined;
  released = false;

  constructor(index: number, plan: GroupPlan) {
    this.name = `r${index}`;
    this.plan = plan;
    this.states = plan.ranks.map(() => 'absent');
    this.missing = plan.ranks.map(({ chunks }) => chunks);
  }

  get receivers(): string[] {
    return this.plan.ranks.map(({ arena }) => `${arena}`);
  }

  holder(rank: number): string {
    return `e${rank + 1}/${this.name}`;
  }

  keys(rank: number): string[] {
    const { chunks, shared } = this.plan.ranks[rank] as GroupPlan['ranks'][number];
    return Array.from({ length: chunks }, (_, chunk) =>
      shared ? `shared ${rank} ${chunk}` : `${this.name} ${rank} ${chunk}`,
    );
  }
}

class World {
  readonly groups: readonly Ranks[];
  readonly #stores: readonly TestStore[];
  /** Writes that are on their way. */
  readonly #writes: Write[] = [];

  constructor({ groups }: Script) {
    this.groups = groups.map((plan, index) => new Ranks(index, plan));
    // Each arena has room for its largest unit, and for no page more.
    this.#stores = [0, 1, 2].map((arena) => {
      const units = groups.map(({ ranks }) =>
        ranks.reduce((sum, rank) => sum + (rank.arena === arena ? rank.chunks : 0), 0),
      );
      return new TestStore({ pages: Math.max(1, ...units) });
    });
  }

  steps(): Step[] {
    const steps: Step[] = [];
    for (const group of this.groups) {
      if (group.released || group.end === 'cancelled') continue;
      for (const rank of group.plan.ranks.keys()) {
        if (!group.put.has(rank)) steps.push(() => this.#put(group, rank));
      }
      const turn = turnOf(group.receivers, group.states);
      if (turn !== null && turn !== group.turn) steps.push(() => this.#admit(group, turn));
      if (group.states.every((state) => state === 'complete')) steps.push(() => this.#release(group));
    }
    for (const write of this.#writes) steps.push(() => this.#land(write));
    return steps;
  }

  cancel(group: Ranks): void {
    if (group.end !== undefined) return;
    group.end = 'cancelled';
    for (const rank of group.put) {
      const store = this.#storeOf(group, rank);
      this.#take(store.end(group.holder(rank), 'cancelled'));
      this.#take(store.drained(group.holder(rank)));
    }
  }

  get pages(): Record<string, number>[] {
    return this.#stores.map((store) => store.state());
  }

  #put(group: Ranks, rank: number): void {
    group.put.add(rank);
    const command = allocate(group.holder(rank), group.keys(rank), { held: true });
    this.#take(this.#storeOf(group, rank).run(command).effects);
    group.states = advance(group.states, rank, 'held');
  }

  #admit(group: Ranks, turn: string): void {
    group.turn = turn;
    const ranks = [...group.plan.ranks.keys()].filter((rank) => group.receivers[rank] === turn);
    const holders = ranks.map((rank) => holderOf(group.holder(rank)));
    this.#take((this.#stores[Number(turn)] as TestStore).run({ type: 'admit', holders }).effects);
  }

  #land(write: Write): void {
    this.#writes.splice(this.#writes.indexOf(write), 1);
    if (write.group.end === undefined) write.commit();
  }

  #release(group: Ranks): void {
    group.end = 'ready';
    group.released = true;
    for (const rank of group.plan.ranks.keys()) {
      const store = this.#storeOf(group, rank);
      this.#take(store.end(group.holder(rank), 'ready'));
      this.#take(store.release(group.holder(rank)).effects);
    }
  }

  #take(effects: readonly StoreEffect[]): void {
    for (const effect of effects) {
      if (!('holder' in effect)) continue;
      const group = this.groups.find(({ name }) => name === effect.holder.request) as Ranks;
      const rank = Number(effect.holder.epoch.slice(1)) - 1;
      const store = this.#storeOf(group, rank);
      if (effect.type === 'allocated') {
        group.states = advance(group.states, rank, 'admitted');
        this.#arrived(group, rank, effect.allocation.alreadySent.length - effect.allocation.joined.length);
        const commit = () => this.#take(store.commit(group.holder(rank)));
        if (effect.allocation.pages.length > 0) this.#writes.push({ group, commit });
      } else if (effect.type === 'handed.over') {
        const { part, pages, generations } = effect;
        const commit = () => this.#take(store.commitPart(group.holder(rank), { part, pages, generations }));
        this.#writes.push({ group, commit });
      } else if (effect.type === 'chunks.ready') this.#arrived(group, rank, effect.written + effect.joined);
    }
  }

  #arrived(group: Ranks, rank: number, chunks: number): void {
    group.missing[rank] = (group.missing[rank] as number) - chunks;
    if (group.missing[rank] === 0) group.states = advance(group.states, rank, 'complete');
  }

  #storeOf(group: Ranks, rank: number): TestStore {
    return this.#stores[group.plan.ranks[rank]?.arena ?? 0] as TestStore;
  }
}

function run(script: Script): void {
  const world = new World(script);
  const [victim, afterSteps] = script.cancelled;
  let taken = 0;
  for (let steps = world.steps(); steps.length > 0; steps = world.steps()) {
    (steps[(script.choices[taken] ?? 0) % steps.length] as Step)();
    taken += 1;
    if (taken === afterSteps) world.cancel(world.groups[victim % world.groups.length] as Ranks);
  }
  const ends = world.groups.map(({ end }) => end);
  expect(
    ends.filter((end) => end === undefined),
    'groups that wait for ever',
  ).toEqual([]);
  expect(ends.filter((end) => end === 'cancelled').length).toBeLessThanOrEqual(1);
  for (const pages of world.pages) expect(Object.keys(pages)).toEqual(['free']);
}

const rank = fc.record({ arena: fc.nat(2), chunks: fc.integer({ min: 1, max: 2 }), shared: fc.boolean() });
const script: fc.Arbitrary<Script> = fc.record({
  groups: fc.array(fc.record({ ranks: fc.array(rank, { minLength: 1, maxLength: 3 }) }), {
    minLength: 2,
    maxLength: 5,
  }),
  choices: fc.array(fc.nat(1000), { maxLength: 100, size: 'max' }),
  cancelled: fc.tuple(fc.nat(4), fc.nat(40)),
});

test('P22: groups in any order, each arena has room for one unit → all are ready', () => {
  fc.assert(fc.property(script, run), { numRuns: runs(300) });
});
