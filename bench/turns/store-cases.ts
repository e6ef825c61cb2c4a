/** Cases of the store and its owner, without an agent around them. */
import { explain } from '../../src/actors/observing/explain/explain.js';
import { Journal } from '../../src/actors/observing/journal.js';
import { ObservedActors } from '../../src/actors/observing/observed-actors.js';
import { MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import type { HolderId } from '../../src/store/holder.js';
import type { StoreCommand } from '../../src/store/messages.js';
import { Stopwatch } from './stopwatch.js';
import { DEFAULT_BOUND_MS, LARGEST_BOUND_MS, names, type TurnCase } from './turn-case.js';
import { TurnStore } from './turn-store.js';

const EPOCH = 'e';
const OTHER = 'o';
const KEYS_PER_REQUEST = 1000;
/** Pages or keys that the owner of the store checks in one turn. */
const OWNERS_PER_CHECK = 8192;
const clock = { now: () => 0, setTimeout: () => undefined, clearTimeout: () => undefined };
const failure = { code: 'cancelled_by_caller', message: 'the benchmark gave up' } as const;

const holderOf = (request: string, epoch = EPOCH): HolderId => ({ request, epoch });
const failed = (holder: HolderId): StoreCommand => ({ type: 'end', holder, end: 'failed', reason: failure });
const drained = (holder: HolderId): StoreCommand => ({ type: 'drained', holder });
const nothing: StoreCommand = { type: 'expire' };

export const storeCases: readonly TurnCase[] = [
  {
    name: 'requests fail together, with their pages',
    size: '1,000 x 50 pages',
    boundMs: DEFAULT_BOUND_MS,
    run: () => failTogether(1000, 50, ({ holders }) => [...holders.map(failed), ...holders.map(drained)]),
  },
  {
    name: 'a remote key with quarantined pages is revoked',
    size: '1,000 x 50 pages',
    boundMs: DEFAULT_BOUND_MS,
    run: () =>
      failTogether(1000, 50, ({ holders }) => [...holders.map(failed), { type: 'fence', grant: `grant-${EPOCH}` }]),
  },
  {
    name: 'waiting requests of one sender end',
    size: '100,000 requests',
    boundMs: LARGEST_BOUND_MS,
    run: () => endWaiting(100_000),
  },
  {
    name: 'chunks that no request can write now, and many senders',
    size: '1,000 chunks, 1,000 senders',
    boundMs: DEFAULT_BOUND_MS,
    run: () => keepOrphans(1000, 1000),
  },
  {
    name: 'requests that joined the same chunks end, youngest first',
    size: '2,000 requests, 20 chunks',
    boundMs: DEFAULT_BOUND_MS,
    run: () => endJoiners(2000, 20),
  },
  {
    name: 'one chunk is committed for all requests that joined it',
    size: '4,096 requests',
    boundMs: DEFAULT_BOUND_MS,
    run: () => commitJoined(4096),
  },
  {
    name: 'a full request ends',
    size: '65,536 chunks',
    boundMs: LARGEST_BOUND_MS,
    run: () => failTogether(8, 8192, ({ whole }) => [failed(whole), drained(whole)]),
  },
  {
    name: 'a full ready request is released',
    size: '65,536 chunks',
    boundMs: LARGEST_BOUND_MS,
    run: () => giveBack([{ type: 'release', holder: holderOf('whole'), keys: undefined }]),
  },
  {
    name: 'the leases of a full ready request end by time',
    size: '65,536 chunks',
    boundMs: LARGEST_BOUND_MS,
    run: () => giveBack([nothing], 0),
  },
  { name: 'audit of owners', size: '100,000 pages', boundMs: DEFAULT_BOUND_MS, run: () => audit(100_000) },
  { name: 'audit of owners', size: '1,000,000 pages', boundMs: LARGEST_BOUND_MS, run: () => audit(1_000_000) },
  {
    name: 'explain a page and its key',
    size: '400,000 pages',
    boundMs: DEFAULT_BOUND_MS,
    run: () => explainOne(400_000),
  },
  {
    name: 'status of one request',
    size: '100,000 remembered ends',
    boundMs: DEFAULT_BOUND_MS,
    run: () => lookUpOne(100_000),
  },
];

/** Requests that write; and, as `whole`, one request with as many batches. */
async function failTogether(
  requests: number,
  chunks: number,
  commandsOf: (made: { holders: readonly HolderId[]; whole: HolderId }) => StoreCommand[],
): Promise<number> {
  const store = new TurnStore(2 * requests * chunks);
  store.grant(EPOCH);
  const holders = names('r', requests).map((request) => holderOf(request));
  for (const holder of holders) store.allocate(holder, names(`${holder.request}.`, chunks));
  const whole = holderOf('whole');
  for (let batch = 0; batch < requests; batch += 1) {
    const keys = names(`whole.${batch}.`, chunks);
    const last = batch === requests - 1;
    const lengths = keys.map(() => 1);
    const totalChunks = requests * chunks;
    store.run({ type: 'allocate', holder: whole, grant: `grant-${EPOCH}`, batch, last, totalChunks, keys, lengths });
  }
  return store.longestTurn(commandsOf({ holders, whole }));
}

/** One ready request with 65,536 chunks. Its leases end after `leaseMs`. */
async function giveBack(commands: readonly StoreCommand[], leaseMs?: number): Promise<number> {
  const [batches, chunks] = [8, 8192];
  const store = new TurnStore(batches * chunks, undefined, leaseMs);
  const holder = holderOf('whole');
  store.grant(EPOCH);
  const lengths = new Array<number>(chunks).fill(1);
  for (let batch = 0; batch < batches; batch += 1) {
    const keys = names(`whole.${batch}.`, chunks);
    const of = { last: batch === batches - 1, totalChunks: batches * chunks, keys, lengths };
    store.run({ type: 'allocate', holder, grant: `grant-${EPOCH}`, batch, ...of });
    const entries = keys.map((key) => store.view.entry(key));
    const pages = entries.map((entry) => entry?.page ?? 0);
    const generations = entries.map((entry) => entry?.generation ?? 0);
    store.run({ type: 'commit', holder, batch, part: 0, pages, generations, lengths });
  }
  store.run({ type: 'end', holder, end: 'ready', reason: undefined });
  return store.longestTurn(commands);
}

async function endWaiting(requests: number): Promise<number> {
  const store = new TurnStore(1);
  store.grant(EPOCH);
  store.grant(OTHER);
  store.allocate(holderOf('writes', OTHER), ['page']);
  const waiting = names('r', requests).map((request) => holderOf(request));
  for (const holder of waiting) store.allocate(holder, [`${holder.request}.0`]);
  return store.longestTurn(waiting.map(failed));
}

/** The writer of the chunks is gone, and the only request that joined them has no remote key. Any other command is cheap. */
async function keepOrphans(chunks: number, senders: number): Promise<number> {
  const store = new TurnStore(3 * chunks);
  for (const epoch of names('s', senders)) store.grant(epoch);
  for (const epoch of [EPOCH, OTHER]) {
    store.grant(epoch);
    store.allocate(holderOf('r', epoch), names('k', chunks));
  }
  store.run({ type: 'fence', grant: `grant-${OTHER}` });
  const others = Array.from({ length: 100 }, (): StoreCommand[] => [nothing, drained(holderOf('x', 's0'))]).flat();
  const again: StoreCommand = { type: 'grant', grant: 'again', epoch: OTHER };
  return store.longestTurn([failed(holderOf('r')), ...others, again]);
}

function joined(requests: number, chunks: number): { store: TurnStore; joiners: HolderId[] } {
  const store = new TurnStore(2 * chunks);
  store.grant(EPOCH);
  const keys = names('k', chunks);
  store.allocate(holderOf('writer'), keys);
  const joiners = names('j', requests).map((request) => holderOf(request));
  for (const holder of joiners) store.allocate(holder, keys);
  return { store, joiners };
}

async function endJoiners(requests: number, chunks: number): Promise<number> {
  const { store, joiners } = joined(requests, chunks);
  return store.longestTurn(joiners.reverse().map(failed));
}

async function commitJoined(requests: number): Promise<number> {
  const { store } = joined(requests, 1);
  const { page = 0, generation = 0 } = store.view.entry('k0') ?? {};
  const commit = { batch: 0, part: 0, pages: [page], generations: [generation], lengths: [1] };
  return store.longestTurn([{ type: 'commit', holder: holderOf('writer'), ...commit }]);
}

function filled(pages: number, trail = new Journal(clock, 0)): TurnStore {
  const store = new TurnStore(pages, trail);
  store.grant(EPOCH);
  for (let first = 0; first < pages; first += KEYS_PER_REQUEST) {
    store.allocate(holderOf(`r${first}`), names(`model@8@0@${first}@bf16@`, KEYS_PER_REQUEST));
  }
  return store;
}

async function audit(pages: number): Promise<number> {
  return filled(pages).longestCheck(2 * Math.ceil(pages / OWNERS_PER_CHECK) + 2);
}

async function explainOne(pages: number): Promise<number> {
  const journal = new Journal(clock, 16_384);
  const store = filled(pages, journal);
  const sources = { clock, journal, actors: new ObservedActors(clock, journal), store: store.view, rows: () => [] };
  const watch = new Stopwatch();
  await watch.time(() => explain(sources, { v: PROTOCOL_VERSION, page: pages / 2 }, MESSAGE_BYTES_MAX));
  await watch.time(() => explain(sources, { v: PROTOCOL_VERSION, key: 'model@8@0@0@bf16@5' }, MESSAGE_BYTES_MAX));
  return watch.longestMs;
}

async function lookUpOne(ends: number): Promise<number> {
  const store = new TurnStore(1);
  for (const request of names('r', ends)) store.run(failed(holderOf(request)));
  const watch = new Stopwatch();
  for (const request of names('r', 10)) await watch.time(() => store.remembered(request));
  return watch.longestMs;
}
