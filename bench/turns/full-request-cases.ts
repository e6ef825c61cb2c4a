/** Cases of the store and its owner with requests of as many chunks as the protocol allows. */
import { CHUNKS_PER_REQUEST_MAX, KEYS_PER_BATCH_MAX } from '../../src/protocol/limits.js';
import type { HolderId } from '../../src/store/holder.js';
import type { StoreCommand } from '../../src/store/messages.js';
import { afresh, LARGEST_BOUND_MS, names, type TurnCase } from './turn-case.js';
import { TurnStore } from './turn-store.js';

const EPOCH = 'e';
const BATCHES = CHUNKS_PER_REQUEST_MAX / KEYS_PER_BATCH_MAX;
const WHOLE: HolderId = { request: 'whole', epoch: EPOCH };
const OTHER: HolderId = { request: 'other', epoch: EPOCH };
const failure = { code: 'cancelled_by_caller', message: 'the benchmark gave up' } as const;
const failed = (holder: HolderId): StoreCommand => ({ type: 'end', holder, end: 'failed', reason: failure });
const drained = (holder: HolderId): StoreCommand => ({ type: 'drained', holder });

export const fullRequestCases: readonly TurnCase[] = [
  full('a full request ends', async () => {
    const store = withWriter(CHUNKS_PER_REQUEST_MAX);
    return store.longestTurn([failed(WHOLE), drained(WHOLE)]);
  }),
  full('a full request that waits ends', async () => {
    const store = withWriter(CHUNKS_PER_REQUEST_MAX);
    for (const batch of batchesOf(OTHER, 'own')) store.run(batch);
    return store.longestTurn([failed(OTHER)]);
  }),
  full('a full request fits because another one has its chunks', async () => {
    const store = withWriter(CHUNKS_PER_REQUEST_MAX);
    return store.longestTurn(batchesOf(OTHER, 'key'));
  }),
  full('a full ready request is released', async () =>
    withReady().longestTurn([{ type: 'release', holder: WHOLE, keys: undefined }]),
  ),
  full('the leases of a full ready request end by time', async () => withReady(0).longestTurn([{ type: 'expire' }])),
];

function full(name: string, round: () => Promise<number>): TurnCase {
  return { name, size: '65,536 chunks', boundMs: LARGEST_BOUND_MS, longest: afresh(round) };
}

/** The batches of a full request. All keys begin with `prefix`. */
function batchesOf(holder: HolderId, prefix: string): StoreCommand[] {
  const lengths = new Array<number>(KEYS_PER_BATCH_MAX).fill(1);
  const of = { holder, grant: `grant-${EPOCH}`, totalChunks: CHUNKS_PER_REQUEST_MAX, lengths };
  return Array.from({ length: BATCHES }, (_, batch) => {
    const keys = names(`${prefix} ${batch} `, KEYS_PER_BATCH_MAX);
    return { type: 'allocate', ...of, batch, last: batch === BATCHES - 1, keys };
  });
}

/** A full request writes. */
function withWriter(pages: number, leaseMs?: number): TurnStore {
  const store = new TurnStore(pages, leaseMs === undefined ? {} : { leaseMs });
  store.grant(EPOCH);
  for (const batch of batchesOf(WHOLE, 'key')) store.run(batch);
  return store;
}

/** A full request is ready. Its leases end after `leaseMs`. */
function withReady(leaseMs?: number): TurnStore {
  const store = withWriter(CHUNKS_PER_REQUEST_MAX, leaseMs);
  const lengths = new Array<number>(KEYS_PER_BATCH_MAX).fill(1);
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const entries = names(`key ${batch} `, KEYS_PER_BATCH_MAX).map((key) => store.view.entry(key));
    const pages = entries.map((entry) => entry?.page ?? 0);
    const generations = entries.map((entry) => entry?.generation ?? 0);
    store.run({ type: 'commit', holder: WHOLE, batch, part: 0, pages, generations, lengths });
  }
  store.run({ type: 'end', holder: WHOLE, end: 'ready', reason: undefined });
  return store;
}
