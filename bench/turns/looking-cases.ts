/** Cases in which a person looks at an agent or its store, or the agent checks itself. */
import { explain } from '../../src/actors/observing/explain/explain.js';
import { Journal } from '../../src/actors/observing/journal.js';
import { ObservedActors } from '../../src/actors/observing/observed-actors.js';
import { HOLDERS_SHOWN_MAX, MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { LoneAgent } from '../scale/lone-agent.js';
import { DEFAULT_BOUND_MS, LARGEST_BOUND_MS, lookingAt, names, type TurnCase } from './turn-case.js';
import { TurnStore } from './turn-store.js';

const EPOCH = 'e';
const KEYS_PER_REQUEST = 1000;
/** Pages or keys that the owner of the store checks in one turn. */
const OWNERS_PER_CHECK = 8192;
const LOOKS = 10;
const clock = { now: () => 0, setTimeout: () => undefined, clearTimeout: () => undefined };

export const lookingCases: readonly TurnCase[] = [
  { name: 'audit of owners', size: '100,000 pages', boundMs: DEFAULT_BOUND_MS, longest: audit(100_000) },
  { name: 'audit of owners', size: '1,000,000 pages', boundMs: LARGEST_BOUND_MS, longest: audit(1_000_000) },
  {
    name: 'map of all pages',
    size: '1,000,000 pages',
    boundMs: LARGEST_BOUND_MS,
    longest: lookingAt(
      async () => filled(1_000_000),
      async (store, watch) => void (await watch.time(() => store.view.pageMap())),
    ),
  },
  {
    name: 'explain a page and its key',
    size: '400,000 pages',
    boundMs: DEFAULT_BOUND_MS,
    longest: explainOne(400_000, 16_384),
  },
  {
    name: 'explain a page and its key',
    size: '1,000,000 entries in the journal',
    boundMs: LARGEST_BOUND_MS,
    longest: explainOne(400_000, 1_000_000),
  },
  { name: 'explain a request that waits', size: '4,000 holders', boundMs: DEFAULT_BOUND_MS, longest: whoHolds(4000) },
  {
    name: 'explain a request that waits',
    size: '100,000 holders',
    boundMs: LARGEST_BOUND_MS,
    longest: whoHolds(100_000),
  },
  {
    name: 'status of one request',
    size: '100,000 remembered ends',
    boundMs: DEFAULT_BOUND_MS,
    longest: lookingAt(
      async () => {
        const store = new TurnStore(1);
        for (const request of names('r', 100_000)) {
          store.run({ type: 'end', holder: { request, epoch: EPOCH }, end: 'failed', reason: undefined });
        }
        return store;
      },
      async (store, watch) => {
        for (const request of names('r', LOOKS)) await watch.time(() => store.remembered(request));
      },
    ),
  },
  {
    name: 'metrics are read',
    size: '4,000 requests',
    boundMs: DEFAULT_BOUND_MS,
    longest: lookingAt(
      async () => {
        const agent = await LoneAgent.start(4000, 1);
        for (const request of names('r', 4000)) {
          await agent.ask('allocate', agent.allocation(request, [request], 0));
        }
        return agent;
      },
      async (agent, watch) => void (await watch.time(() => agent.overview())),
      async (agent) => {
        for (const request of names('r', 4000)) await agent.abort(request, 1);
        await agent.stop();
      },
    ),
  },
];

function filled(pages: number, journal = new Journal(clock, 0)): TurnStore {
  const store = new TurnStore(pages, { journal });
  store.grant(EPOCH);
  for (let first = 0; first < pages; first += KEYS_PER_REQUEST) {
    const keys = names(`model@8@0@${first}@bf16@`, KEYS_PER_REQUEST);
    store.allocate({ request: `r${first}`, epoch: EPOCH }, keys);
  }
  return store;
}

function audit(pages: number): TurnCase['longest'] {
  const checks = 2 * Math.ceil(pages / OWNERS_PER_CHECK) + 2;
  return lookingAt(
    async () => filled(pages),
    async (store, watch) => {
      for (let check = 0; check < checks; check += 1) await watch.time(() => store.check());
    },
  );
}

/** The journal is full. Nothing in it is about the page, or only its oldest entries are. */
function explainOne(pages: number, entries: number): TurnCase['longest'] {
  return lookingAt(
    async () => {
      const journal = new Journal(clock, entries);
      const store = filled(pages, journal);
      for (let entry = 0; entry < entries; entry += 1) journal.message('in', 'renew', {});
      return { clock, journal, actors: new ObservedActors(clock, journal), store: store.view, rows: () => [] };
    },
    async (sources, watch) => {
      const v = PROTOCOL_VERSION;
      await watch.time(() => explain(sources, { v, page: pages / 2 }, MESSAGE_BYTES_MAX));
      await watch.time(() => explain(sources, { v, key: 'model@8@0@0@bf16@5' }, MESSAGE_BYTES_MAX));
    },
  );
}

/** What the store adds to the explanation of a request that waits: its place in the queue, and who has the pages. */
function whoHolds(requests: number): TurnCase['longest'] {
  return lookingAt(
    async () => {
      const store = new TurnStore(requests);
      store.grant(EPOCH);
      for (const request of names('r', requests)) store.allocate({ request, epoch: EPOCH }, [request]);
      store.allocate({ request: 'waits', epoch: EPOCH }, ['waits']);
      return store;
    },
    async (store, watch) => {
      const name = `${EPOCH}/waits`;
      for (let look = 0; look < LOOKS; look += 1) {
        await watch.time(() => [store.view.admission(name), store.view.largestHolders(HOLDERS_SHOWN_MAX, name)]);
      }
    },
  );
}
