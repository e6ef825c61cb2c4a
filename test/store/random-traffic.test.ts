/**
 * T15 on the store alone: random commands of several senders, some repeated and some reordered, against `Oracle`. A failure
 * prints the seed, the path and the shrunk script. To run one seed again: `KVFERRY_SEED=… KVFERRY_PATH=… npx vitest run
 * test/store/random-traffic.test.ts`. To keep a script, add it to `regressions`.
 */
import fc from 'fast-check';
import { test } from 'vitest';
import type { HolderId } from '../../src/store/holder.js';
import type { StoreCommand } from '../../src/store/messages.js';
import { runs } from '../support/thorough.js';
import { Oracle } from './oracle/oracle.js';
import { commitsOf, declineOf, stop, write } from './oracle/senders.js';

const SENDERS = 3;
const REQUESTS = 10;
const READERS = 2;
const KEYS = 6;

interface Plan {
  readonly sender: number;
  readonly keys: readonly number[];
  /** The number of chunks in the first batch. The others are in the second batch. */
  readonly cut: number;
  readonly emptyLast: boolean;
  readonly length: number;
}

type Step =
  /** What a request without faults does next: its next batch, its commits, its end, acquire, release. */
  | { readonly do: 'advance'; readonly request: number }
  | {
      readonly do: 'put' | 'write' | 'commit' | 'falsify';
      readonly request: number;
      readonly batch: number;
    }
  | { readonly do: 'decline'; readonly request: number; readonly batch: number; readonly lost: boolean }
  | { readonly do: 'end'; readonly request: number; readonly end: 'ready' | 'failed' | 'cancelled' | 'expired' }
  | { readonly do: 'drained'; readonly request: number }
  | { readonly do: 'grant'; readonly sender: number }
  | { readonly do: 'fence'; readonly sender: number; readonly back: number }
  | { readonly do: 'acquire' | 'release'; readonly who: number; readonly keys: readonly number[] | null }
  | {
      readonly do: 'wild';
      readonly request: number;
      readonly batch: number;
      readonly last: boolean;
      readonly plan: Plan;
    }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'expire' };

interface Script {
  readonly pages: number;
  readonly retained: number;
  /** Chunks that one command handles. */
  readonly chunks: number;
  readonly plans: readonly Plan[];
  readonly steps: readonly Step[];
}

function run(script: Script): void {
  const oracle = new Oracle({
    pages: script.pages,
    pageBytes: 20,
    leaseMs: 100,
    tombstonesMax: 1000,
    tombstoneMs: 1_000_000,
    holdersMax: 8,
    retainedMax: script.retained,
    chunksPerCommand: script.chunks,
    firstGeneration: 2 ** 32 - 3,
  });
  const grants = Array.from({ length: SENDERS }, () => 0);
  const grantOf = (sender: number, back = 0) => `g${sender}-${(grants[sender] as number) - back}`;
  for (let sender = 0; sender < SENDERS; sender += 1)
    oracle.run({ type: 'grant', grant: grantOf(sender), epoch: `e${sender}` });
  const planOf = (request: number) => script.plans[request] as Plan;
  const requestOf = (request: number): HolderId => ({ request: `r${request}`, epoch: `e${planOf(request).sender}` });
  const whoOf = (who: number) => (who < REQUESTS ? requestOf(who) : { request: `reader${who}`, epoch: 'e9' });

  const act = (step: Step): void => {
    switch (step.do) {
      case 'advance': {
        const { request } = step;
        const holder = requestOf(request);
        const batches = oracle.batchesOf(holder);
        if (oracle.isReady(holder))
          act({ do: oracle.hasAcquired(holder) ? 'release' : 'acquire', who: request, keys: null });
        else if (oracle.isComplete(holder)) act({ do: 'end', request, end: 'ready' });
        else if (batches.uncommitted !== undefined) act({ do: 'commit', request, batch: batches.uncommitted });
        else act({ do: 'put', request, batch: batches.count });
        return;
      }
      case 'put': {
        const command = batchOf(planOf(step.request), step.batch, requestOf(step.request), grantOf);
        if (command !== undefined) oracle.run(command);
        return;
      }
      case 'wild': {
        const { plan, batch, last } = step;
        const whole = batchOf({ ...plan, cut: KEYS, emptyLast: false }, 0, requestOf(step.request), grantOf);
        if (whole !== undefined) oracle.run({ ...whole, batch, last });
        return;
      }
      case 'write':
        write(oracle.model, requestOf(step.request), step.batch);
        return;
      case 'commit': {
        for (const command of commitsOf(oracle.model, requestOf(step.request), step.batch)) {
          const accepted = oracle.run(command) !== undefined;
          if (accepted !== oracle.isArriving(command.holder)) throw new Error('a good commit was refused');
        }
        return;
      }
      case 'decline': {
        const command = declineOf(oracle.model, requestOf(step.request), step.batch, step.lost);
        if (command !== undefined) oracle.run(command);
        return;
      }
      case 'falsify': {
        const [command] = commitsOf(oracle.model, requestOf(step.request), step.batch);
        if (command === undefined) return;
        const [page = 0, ...pages] = command.pages;
        const [generation = 0, ...generations] = command.generations;
        const false_ = [
          { ...command, generations: [generation + 1, ...generations], pages: [page, ...pages] },
          { ...command, pages: [page + 1, ...pages], generations: [generation, ...generations] },
          { ...command, lengths: [...command.lengths, 1] },
          { ...command, batch: command.batch + 7 },
          { ...command, part: command.part + 7 },
        ];
        for (const wrong of false_) {
          if (oracle.run(wrong) !== undefined) throw new Error(`accepted ${JSON.stringify(wrong)}`);
        }
        return;
      }
      case 'end': {
        const holder = requestOf(step.request);
        const reason = step.end === 'ready' ? undefined : ({ code: 'cancelled_by_caller', message: '' } as const);
        const command = { type: 'end', holder, end: step.end, reason } as const;
        if (step.end !== 'ready' || oracle.isComplete(holder)) oracle.run(command);
        else if (oracle.isArriving(holder)) oracle.refuse(command);
        return;
      }
      case 'drained':
        stop(oracle.model, requestOf(step.request));
        oracle.run({ type: 'drained', holder: requestOf(step.request) });
        return;
      case 'grant':
        grants[step.sender] = (grants[step.sender] as number) + 1;
        oracle.run({ type: 'grant', grant: grantOf(step.sender), epoch: `e${step.sender}` });
        return;
      case 'fence':
        oracle.run({ type: 'fence', grant: grantOf(step.sender, step.back) });
        return;
      case 'acquire':
      case 'release':
        oracle.run({ type: step.do, holder: whoOf(step.who), keys: step.keys?.map((key) => `k${key}`) });
        return;
      case 'wait':
        oracle.wait(step.ms);
        return;
      case 'expire':
        oracle.run({ type: 'expire' });
        return;
    }
  };
  for (const step of script.steps) act(step);

  for (let request = 0; request < REQUESTS; request += 1) act({ do: 'end', request, end: 'cancelled' });
  for (let request = 0; request < REQUESTS; request += 1) act({ do: 'drained', request });
  for (const holder of oracle.everyHolder()) oracle.run({ type: 'release', holder, keys: undefined });
  oracle.checkEmpty();
}

function batchOf(
  plan: Plan,
  batch: number,
  holder: HolderId,
  grantOf: (sender: number) => string,
): Extract<StoreCommand, { type: 'allocate' }> | undefined {
  const batches = [plan.keys.slice(0, plan.cut), plan.keys.slice(plan.cut)].filter((keys) => keys.length > 0);
  if (plan.emptyLast || batches.length === 0) batches.push([]);
  const keys = batches[batch];
  if (keys === undefined) return undefined;
  return {
    type: 'allocate',
    holder,
    grant: grantOf(plan.sender),
    batch,
    last: batch === batches.length - 1,
    totalChunks: plan.keys.length,
    keys: keys.map((key) => `k${key}`),
    lengths: keys.map(() => plan.length),
  };
}

const rarely = <T>(often: T, seldom: T) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(often) }, { weight: 1, arbitrary: fc.constant(seldom) });
const plan: fc.Arbitrary<Plan> = fc.record({
  sender: fc.nat(SENDERS - 1),
  keys: fc.uniqueArray(fc.nat(KEYS - 1), { maxLength: 4 }),
  cut: fc.nat(KEYS),
  emptyLast: fc.boolean(),
  length: rarely(10, 11),
});
const request = fc.nat(REQUESTS - 1);
const batch = fc.nat(2);
const who = fc.nat(REQUESTS + READERS - 1);
const sender = fc.nat(SENDERS - 1);
const keys = fc.option(fc.array(fc.nat(KEYS - 1), { maxLength: 3 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ do: fc.constant('advance' as const), request }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('put' as const), request, batch }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), request, batch }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), request, batch }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), request, end: fc.constant('ready' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      request,
      end: fc.constantFrom('failed' as const, 'cancelled' as const, 'expired' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drained' as const), request }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('acquire' as const), who, keys }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), who, keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('grant' as const), sender }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fence' as const), sender, back: rarely(1, 0) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('decline' as const), request, batch, lost: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('falsify' as const), request, batch }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wild' as const), request, batch, last: fc.boolean(), plan }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(50, 100) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
);
const script: fc.Arbitrary<Script> = fc.record({
  pages: fc.integer({ min: 2, max: 8 }),
  retained: fc.constantFrom(0, 0, 2, 8),
  chunks: fc.constantFrom(1, 2, 4096),
  plans: fc.array(plan, { minLength: REQUESTS, maxLength: REQUESTS }),
  steps: fc.array(step, { maxLength: 120, size: 'max' }),
});

const { KVFERRY_SEED, KVFERRY_PATH } = process.env;

test('T15: random traffic → one owner a page, nothing lost, and ready means written', () => {
  fc.assert(fc.property(script, run), {
    numRuns: runs(400),
    ...(KVFERRY_SEED === undefined ? {} : { seed: Number(KVFERRY_SEED) }),
    ...(KVFERRY_PATH === undefined ? {} : { path: KVFERRY_PATH }),
  });
});

/** Scripts that failed once. */
const regressions: Readonly<Record<string, Script>> = {
  'the leases of two holders end together': {
    pages: 2,
    retained: 2,
    chunks: 1,
    plans: Array.from({ length: REQUESTS }, (_, request) => ({
      sender: 0,
      keys: request === 2 ? [0, 3] : request === 6 ? [1] : [],
      cut: 0,
      emptyLast: false,
      length: 10,
    })),
    steps: [
      { do: 'advance', request: 2 },
      { do: 'advance', request: 2 },
      { do: 'acquire', who: 0, keys: [0] },
      { do: 'advance', request: 2 },
      { do: 'wait', ms: 100 },
      { do: 'expire' },
      { do: 'advance', request: 6 },
    ],
  },
  'the second batch of an admitted request waits for a turn': {
    pages: 4,
    retained: 0,
    chunks: 2,
    plans: Array.from({ length: REQUESTS }, (_, request) => ({
      sender: 0,
      keys: { 1: [1, 0], 3: [0, 1], 6: [2, 1, 0] }[request] ?? [],
      cut: request === 6 ? 0 : 1,
      emptyLast: request === 6,
      length: request === 6 ? 10 : 11,
    })),
    steps: [
      { do: 'advance', request: 3 },
      { do: 'put', request: 6, batch: 1 },
      { do: 'advance', request: 3 },
      { do: 'advance', request: 3 },
      { do: 'advance', request: 1 },
      { do: 'advance', request: 1 },
    ],
  },
  'the only batch of an admitted request waits for a turn': {
    pages: 4,
    retained: 0,
    chunks: 1,
    plans: Array.from({ length: REQUESTS }, (_, request) => ({
      sender: request === 0 ? 1 : 0,
      keys: { 0: [0], 4: [1], 8: [0, 2, 3, 4] }[request] ?? [],
      cut: 0,
      emptyLast: false,
      length: 10,
    })),
    steps: [
      { do: 'advance', request: 4 },
      { do: 'advance', request: 8 },
      { do: 'fence', sender: 0, back: 0 },
      { do: 'advance', request: 0 },
    ],
  },
  'a batch arrives again after its remote key was revoked': {
    pages: 2,
    retained: 0,
    chunks: 1,
    plans: Array.from({ length: REQUESTS }, (_, request) => ({
      sender: request === 7 ? 1 : 0,
      keys: request === 7 ? [0] : [],
      cut: 0,
      emptyLast: false,
      length: 10,
    })),
    steps: [
      { do: 'advance', request: 7 },
      { do: 'grant', sender: 1 },
      { do: 'fence', sender: 1, back: 1 },
      { do: 'put', request: 7, batch: 0 },
    ],
  },
};

for (const [name, once] of Object.entries(regressions))
  test(`T15: the script that once failed: ${name}`, () => run(once));
