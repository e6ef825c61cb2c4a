/** The trail: the store reports every step of a chunk. */
import { expect, test } from 'vitest';
import type { StoreCommand } from '../../src/store/messages.js';
import { Store } from '../../src/store/store.js';
import type { TrailStep } from '../../src/store/trail.js';
import { allocate, defaults, holderOf, reason } from './support.js';

/** A store that returns the trail of each command. Senders `e1` and `e2` have one remote key each. */
function trailed(options: Partial<typeof defaults> = {}) {
  const steps: TrailStep[] = [];
  const store = new Store({ ...defaults, ...options }, (step) => steps.push(step));
  let nowMs = 0;
  const run = (command: StoreCommand): readonly TrailStep[] => {
    store.execute(command, nowMs);
    return steps.splice(0);
  };
  const granted = ['e1', 'e2'].map((epoch) => run({ type: 'grant', grant: `grant-${epoch}`, epoch }));
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { run, granted, pass };
}

const commit = (holder: string, pages: readonly number[], generations = pages.map(() => 1)): StoreCommand => ({
  type: 'commit',
  holder: holderOf(holder),
  batch: 0,
  part: 0,
  pages,
  generations,
  lengths: pages.map(() => 10),
});
const end = (holder: string, how: 'ready' | 'failed'): StoreCommand => ({
  type: 'end',
  holder: holderOf(holder),
  end: how,
  reason: how === 'ready' ? undefined : reason,
});

test('the life of a chunk, from its page to its release', () => {
  const { run, granted } = trailed();
  const of = { holder: holderOf('e1/a'), batch: 0 };
  expect(granted[0]).toEqual([{ action: 'granted', keys: [], detail: 'grant-e1 to epoch e1' }]);
  expect(run(allocate('e1/a', ['k0', 'k1']))).toEqual([
    { action: 'allocated', ...of, keys: ['k0', 'k1'], positions: [0, 1], pages: [0, 1] },
  ]);
  expect(run(commit('e1/a', [0, 1]))).toEqual([
    { action: 'committed', ...of, keys: ['k0', 'k1'], positions: [0, 1], pages: [0, 1] },
  ]);
  expect(run(end('e1/a', 'ready'))).toEqual([
    { action: 'ended', holder: of.holder, keys: [], chunks: 2, detail: 'ready' },
  ]);
  expect(run({ type: 'acquire', holder: of.holder, keys: ['k1', 'k9'] })).toEqual([
    { action: 'acquired', holder: of.holder, keys: ['k1'], pages: [1] },
  ]);
  expect(run({ type: 'release', holder: of.holder, keys: undefined })).toEqual([
    { action: 'released', holder: of.holder, keys: ['k0', 'k1'] },
  ]);
});

test('ready, joined and new chunks are separate steps', () => {
  const { run } = trailed();
  run(allocate('e1/a', ['k0']));
  run(commit('e1/a', [0]));
  run(allocate('e1/b', ['k1']));
  const of = { holder: holderOf('e2/c'), batch: 0, keys: ['k1', 'k2', 'k0'] };
  expect(run(allocate('e2/c', ['k1', 'k2', 'k0']))).toEqual([
    { action: 'allocated', ...of, positions: [1], pages: [2] },
    { action: 'joined', ...of, positions: [0], other: holderOf('e1/b') },
    { action: 'deduplicated', ...of, positions: [2] },
  ]);
});

test('a writer fails → the trail has what it gave up, quarantine, heir and safe pages', () => {
  const { run } = trailed({ pages: 4 });
  run(allocate('e1/a', ['k0', 'k1']));
  run(allocate('e2/b', ['k1']));
  const a = holderOf('e1/a');
  expect(run(end('e1/a', 'failed'))).toEqual([
    { action: 'ended', holder: a, keys: ['k0', 'k1'], chunks: 2, detail: `failed: ${reason.message}` },
    { action: 'quarantined', holder: a, keys: ['k0', 'k1'], pages: [0, 1] },
    {
      action: 'handed-over',
      holder: holderOf('e2/b'),
      batch: 0,
      keys: ['k1'],
      positions: [0],
      pages: [2],
      other: a,
      detail: `after a: ${reason.message}`,
    },
  ]);
  expect(run({ type: 'drained', holder: a })).toEqual([
    { action: 'drained', holder: a, keys: [], pages: [0, 1], chunks: 2 },
  ]);
  run(end('e2/b', 'failed'));
  expect(run({ type: 'fence', grant: 'grant-e2' })).toEqual([
    { action: 'fenced', keys: [], pages: [2], chunks: 1, detail: 'grant-e2 is revoked' },
  ]);
});

test('a request that waits for pages, and is admitted', () => {
  const { run } = trailed({ pages: 1 });
  run(allocate('e1/a', ['k0']));
  const b = { holder: holderOf('e2/b'), batch: 0 };
  expect(run(allocate('e2/b', ['k1']))).toEqual([
    { action: 'queued', ...b, keys: ['k1'], detail: 'needs 1 page; 0 are available' },
  ]);
  run(commit('e1/a', [0]));
  run(end('e1/a', 'ready'));
  expect(run({ type: 'release', holder: holderOf('e1/a'), keys: undefined })).toEqual([
    { action: 'released', holder: holderOf('e1/a'), keys: ['k0'] },
    { action: 'admitted', holder: b.holder, keys: [] },
    { action: 'allocated', ...b, keys: ['k1'], positions: [0], pages: [0] },
  ]);
});

test('leases that expire, and cache that makes room', () => {
  const { run, pass } = trailed({ pages: 1, retainedMax: 1 });
  run(allocate('e1/a', ['k0']));
  run(commit('e1/a', [0]));
  run(end('e1/a', 'ready'));
  pass(defaults.leaseMs);
  expect(run({ type: 'expire' })).toEqual([{ action: 'expired', holder: holderOf('e1/a'), keys: ['k0'] }]);
  const b = { holder: holderOf('e2/b'), batch: 0 };
  expect(run(allocate('e2/b', ['k1']))).toEqual([
    { action: 'evicted', keys: ['k0'], pages: [0] },
    { action: 'allocated', ...b, keys: ['k1'], positions: [0], pages: [0] },
  ]);
});
