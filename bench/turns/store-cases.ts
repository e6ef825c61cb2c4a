/** Cases of the store and its owner with many requests, without an agent around them. */
import type { HolderId } from '../../src/store/holder.js';
import type { StoreCommand } from '../../src/store/messages.js';
import { afresh, DEFAULT_BOUND_MS, LARGEST_BOUND_MS, names, type TurnCase } from './turn-case.js';
import { TurnStore } from './turn-store.js';

const EPOCH = 'e';
const OTHER = 'o';
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
    longest: afresh(() => failTogether(1000, 50, (holders) => [...holders.map(failed), ...holders.map(drained)])),
  },
  {
    name: 'a remote key with quarantined pages is revoked',
    size: '1,000 x 50 pages',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() =>
      failTogether(1000, 50, (holders) => [...holders.map(failed), { type: 'fence', grant: `grant-${EPOCH}` }]),
    ),
  },
  {
    name: 'waiting requests of one sender end',
    size: '100,000 requests',
    boundMs: LARGEST_BOUND_MS,
    longest: afresh(() => endWaiting(100_000)),
  },
  {
    name: 'chunks that no request can write now, and many senders',
    size: '1,000 chunks, 1,000 senders',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => keepOrphans(1000, 1000)),
  },
  {
    name: 'requests that joined the same chunks end, youngest first',
    size: '2,000 requests, 20 chunks',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => endJoiners(2000, 20)),
  },
  {
    name: 'chunks are committed for all requests that joined them',
    size: '4,000 requests, 64 chunks',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => commitJoined(4000, 64)),
  },
  {
    name: 'chunks come and go that all waiting requests want',
    size: '4,000 requests, 64 chunks',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => changeWanted(4000, 64)),
  },
  {
    name: 'ends of requests are forgotten together',
    size: '100,000 ends',
    boundMs: DEFAULT_BOUND_MS,
    longest: afresh(() => forget(100_000)),
  },
];

async function failTogether(
  requests: number,
  chunks: number,
  commandsOf: (holders: readonly HolderId[]) => StoreCommand[],
): Promise<number> {
  const store = new TurnStore(requests * chunks);
  store.grant(EPOCH);
  const holders = names('r', requests).map((request) => holderOf(request));
  for (const holder of holders) store.allocate(holder, names(`${holder.request}.`, chunks));
  return store.longestTurn(commandsOf(holders));
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

async function commitJoined(requests: number, chunks: number): Promise<number> {
  const { store } = joined(requests, chunks);
  const entries = names('k', chunks).map((key) => store.view.entry(key));
  const pages = entries.map((entry) => entry?.page ?? 0);
  const generations = entries.map((entry) => entry?.generation ?? 0);
  const commit = { batch: 0, part: 0, pages, generations, lengths: entries.map(() => 1) };
  return store.longestTurn([{ type: 'commit', holder: holderOf('writer'), ...commit }]);
}

/** Waiting requests all want the same chunks, and one key of their own. A request writes the chunks and fails. */
async function changeWanted(requests: number, chunks: number): Promise<number> {
  const store = new TurnStore(3 * chunks);
  for (const epoch of [EPOCH, OTHER]) store.grant(epoch);
  const prefix = names('k', chunks);
  const writer = holderOf('writes', OTHER);
  const batch = { grant: `grant-${OTHER}`, totalChunks: chunks, lengths: prefix.map(() => 1) };
  store.run({ type: 'allocate', holder: writer, ...batch, batch: 1, last: true, keys: [], lengths: [] });
  store.allocate(holderOf('fills', OTHER), names('f', 2 * chunks));
  for (const request of names('r', requests)) store.allocate(holderOf(request), [...prefix, request]);
  const writes: StoreCommand = { type: 'allocate', holder: writer, ...batch, batch: 0, last: false, keys: prefix };
  return store.longestTurn([writes, failed(writer), drained(writer)]);
}

async function forget(ends: number): Promise<number> {
  const store = new TurnStore(1, { tombstoneMs: 1 });
  for (const request of names('r', ends)) store.run(failed(holderOf(request)));
  store.later(1);
  return store.longestTurn([nothing]);
}
