/** P30: long work of one command is done in later turns, whatever other commands come in between. */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { StoreCommand, StoreEffect } from '../../src/store/messages.js';
import { Store } from '../../src/store/store.js';
import { runs } from '../support/thorough.js';
import { allocate, chunksReady, defaults, holderOf } from './support.js';

const EPOCHS = ['e1', 'e2'];
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

type Step =
  | { readonly do: 'allocate' | 'fail' | 'commit' | 'finish' | 'drained'; readonly request: number }
  | { readonly do: 'fence' | 'grant'; readonly request: number }
  | { readonly do: 'settle' };

interface Plan {
  readonly epoch: number;
  readonly keys: readonly number[];
}

/** Each command does the work of one chunk. Later turns come only when the test says so. */
class SlowStore {
  readonly store = new Store({ ...defaults, pages: 5, chunksPerCommand: 1, holdersMax: 20 });
  readonly #plans: readonly Plan[];
  readonly #grants = new Map(EPOCHS.map((epoch) => [epoch, 0]));
  /** Chunks that each request may still commit. */
  readonly #parts = new Map<string, Extract<StoreCommand, { type: 'commit' }>[]>();
  readonly #missing = new Map<string, number>();

  constructor(plans: readonly Plan[]) {
    this.#plans = plans;
    for (const epoch of EPOCHS) this.#run({ type: 'grant', grant: `${epoch} 0`, epoch });
  }

  step(step: Step): void {
    if (step.do === 'settle') this.#run({ type: 'settle' });
    else this.#act(step.do, step.request);
  }

  settle(): void {
    while (this.store.unsettled) this.#run({ type: 'settle' });
  }

  /** Ends and releases everything, and revokes every remote key. */
  finish(): void {
    for (const request of this.#plans.keys()) for (const act of ['fail', 'finish'] as const) this.#act(act, request);
    for (const [epoch, newest] of this.#grants) {
      for (let number = 0; number <= newest; number += 1) this.#run({ type: 'fence', grant: `${epoch} ${number}` });
    }
    this.settle();
  }

  #act(what: Exclude<Step, { do: 'settle' }>['do'], number: number): void {
    const { epoch: index, keys } = this.#plans[number] as Plan;
    const epoch = EPOCHS[index] as string;
    const name = `${epoch}/r${number}`;
    const grant = `${epoch} ${this.#grants.get(epoch)}`;
    const holder = holderOf(name);
    switch (what) {
      case 'allocate':
        this.#missing.set(name, this.#missing.get(name) ?? keys.length);
        this.#run(allocate(name, keys.map(String), { grant }));
        return;
      case 'commit':
        for (const commit of this.#parts.get(name)?.splice(0) ?? []) this.#run(commit);
        return;
      case 'finish':
        if (this.#missing.get(name) === 0) this.#run({ type: 'end', holder, end: 'ready', reason: undefined });
        this.#run({ type: 'release', holder, keys: undefined });
        return;
      case 'fail':
        this.#parts.delete(name);
        this.#run({ type: 'end', holder, end: 'failed', reason: undefined });
        return;
      case 'drained':
        this.#parts.delete(name);
        this.#run({ type: 'drained', holder });
        return;
      case 'fence':
        this.#run({ type: 'fence', grant });
        return;
      case 'grant':
        this.#grants.set(epoch, (this.#grants.get(epoch) as number) + 1);
        this.#run({ type: 'grant', grant: `${epoch} ${this.#grants.get(epoch)}`, epoch });
    }
  }

  #run(command: StoreCommand): void {
    try {
      for (const effect of this.store.execute(command, 0).effects) this.#follow(effect);
    } catch (error) {
      // A refusal is an answer.
      expect(error).not.toMatchObject({ code: 'internal' });
    }
    expect(this.store.brokenInvariant()).toBeUndefined();
  }

  #follow(effect: StoreEffect): void {
    if (effect.type === 'allocated' && effect.first) {
      this.#owe(effect.holder, effect.batch, 0, { ...effect.allocation });
      this.#arrived(effect.holder, effect.allocation.alreadySent.length - effect.allocation.joined.length);
    } else if (effect.type === 'handed.over') this.#owe(effect.holder, effect.batch, effect.part, effect);
    else if (effect.type === 'chunks.ready') this.#arrived(effect.holder, effect.written + effect.joined);
  }

  #owe(
    holder: ReturnType<typeof holderOf>,
    batch: number,
    part: number,
    { pages, generations }: { readonly pages: readonly number[]; readonly generations: readonly number[] },
  ): void {
    const name = `${holder.epoch}/${holder.request}`;
    const parts = this.#parts.get(name) ?? [];
    this.#parts.set(name, parts);
    const lengths = pages.map(() => 10);
    parts.push({ type: 'commit', holder, batch, part, pages, generations, lengths });
  }

  #arrived({ epoch, request }: ReturnType<typeof holderOf>, chunks: number): void {
    const name = `${epoch}/${request}`;
    this.#missing.set(name, (this.#missing.get(name) ?? 0) - chunks);
  }
}

const request = fc.nat({ max: 7 });
const plan = fc.record({
  epoch: fc.nat({ max: 1 }),
  keys: fc.uniqueArray(fc.nat({ max: 6 }), { minLength: 1, maxLength: 5 }),
});
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('allocate' as const), request }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('fail', 'commit', 'finish'), request }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drained', 'fence', 'grant'), request }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
) as fc.Arbitrary<Step>;

test('P30: commands between the turns of long work → every promise is kept', () => {
  const script = fc.record({
    plans: fc.array(plan, { minLength: 8, maxLength: 8 }),
    steps: fc.array(step, { maxLength: 60 }),
  });
  fc.assert(
    fc.property(script, ({ plans, steps }) => {
      const slow = new SlowStore(plans);
      for (const one of steps) slow.step(one);
      slow.settle();
      slow.finish();
      expect(slow.store.pageCounts()).toMatchObject({ free: 5, reserved: 0, quarantined: 0 });
      expect(slow.store.waiting).toBe(0);
    }),
    { numRuns: runs(300) },
  );
});

/** 3 of 4 pages hold what `a` writes. `b` wants the same and 1 key more, and is admitted because of that. */
function heir() {
  const store = new Store({ ...defaults, chunksPerCommand: 2 });
  const effects: StoreEffect[] = [];
  const run = (command: StoreCommand) => {
    effects.push(...store.execute(command, 0).effects);
    expect(store.brokenInvariant()).toBeUndefined();
  };
  const settle = () => {
    while (store.unsettled) run({ type: 'settle' });
  };
  run({ type: 'grant', grant: 'grant-e1', epoch: 'e1' });
  run({ type: 'grant', grant: 'grant-e2', epoch: 'e2' });
  run(allocate('e2/a', ['1', '2', '3']));
  settle();
  const batch = { last: false, totalChunks: 4 };
  run(allocate('e1/b', ['1', '2'], { ...batch, batch: 0 }));
  run(allocate('e1/b', ['3', '4'], { ...batch, batch: 1, last: true }));
  run({ type: 'settle' });
  return { store, run, settle, effects };
}

test('P8, P30: a request fits because others hold its chunks → pages in several turns', () => {
  const { store, settle, effects } = heir();
  expect(store.pageCounts()).toMatchObject({ free: 1, reserved: 1 });
  settle();
  expect(store.pageCounts()).toMatchObject({ free: 0, reserved: 0 });
  const given = effects
    .filter(({ type }) => type === 'allocated')
    .map((effect) => ('batch' in effect ? effect.batch : 0));
  expect(given).toEqual([0, 0, 1]);
});

test('P8, P30: the others end between these turns → it inherits their chunks', () => {
  const { store, run, settle } = heir();
  run({ type: 'end', holder: holderOf('e2/a'), end: 'failed', reason: undefined });
  settle();
  expect(store.pageCounts()).toMatchObject({ free: 0, writing: 1, quarantined: 3, reserved: 0 });
  run({ type: 'fence', grant: 'grant-e2' });
  settle();
  expect(store.pageCounts()).toMatchObject({ free: 0, writing: 4, quarantined: 0 });
});

test('P30: one chunk arrives for many requests → they learn of it in several turns', () => {
  const store = new Store({ ...defaults, chunksPerCommand: 100, holdersMax: 2000 });
  store.execute({ type: 'grant', grant: 'grant-e1', epoch: 'e1' }, 0);
  store.execute(allocate('writer', ['page']), 0);
  const joiners = names('j', 1000);
  for (const joiner of joiners) store.execute(allocate(joiner, ['page']), 0);
  const pages = { pages: [0], generations: [1], lengths: [10] };
  const { effects } = store.execute({ type: 'commit', holder: holderOf('writer'), batch: 0, part: 0, ...pages }, 0);
  expect(effects).toEqual([
    chunksReady('writer', 1, 0),
    ...joiners.slice(0, 100).map((name) => chunksReady(name, 0, 1)),
  ]);
  const later: StoreEffect[] = [];
  while (store.unsettled) later.push(...store.execute({ type: 'settle' }, 0).effects);
  expect(later).toEqual(joiners.slice(100).map((name) => chunksReady(name, 0, 1)));
});

test('P30: chunks come that many waiting requests want → counted in several turns', () => {
  const store = new Store({ ...defaults, pages: 50, holdersMax: 3000, chunksPerCommand: 64 });
  for (const epoch of EPOCHS) store.execute({ type: 'grant', grant: `grant-${epoch}`, epoch }, 0);
  store.execute(allocate('e2/fills', names('f', 20)), 0);
  const prefix = names('k', 20);
  const command = { last: false, totalChunks: 21 };
  store.execute(allocate('e2/writes', [], { ...command, batch: 1, last: true }), 0);
  for (const waiting of names('w', 2000)) store.execute(allocate(waiting, [...prefix, waiting]), 0);
  const looked = vi.spyOn(Set.prototype, 'has');
  store.execute(allocate('e2/writes', [...prefix, 'x'], command), 0);
  const looks = [looked.mock.calls.length];
  for (; store.unsettled; looks.push(looked.mock.calls.length)) store.execute({ type: 'settle' }, 0);
  looked.mockRestore();
  const perTurn = looks.map((count, turn) => count - (looks[turn - 1] ?? 0));
  expect(Math.max(...perTurn)).toBeLessThan(4100);
  // 9 of them need one page more each, and 9 pages are left.
  expect([store.waiting, perTurn.length > 10]).toEqual([1991, true]);
});
