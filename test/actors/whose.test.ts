/** What each operation answers about the memory and the requests of a session, by who sends it. */
import { beforeEach, describe, expect, test } from 'vitest';
import { ReplyError } from '../../src/protocol/codec.js';
import type { Operation } from '../../src/protocol/subjects.js';
import { type Cluster, PAGE_BYTES, useCluster } from './support.js';

const OWN = '00000000000000a1';
const OTHER = '00000000000000a2';
const ENDED = '00000000000000a3';
const PATH = '/memory/whose';
const SEGMENT = { segment: 'whose', path: PATH };

const clusters = useCluster();
let cluster: Cluster;
/** The next order of each session. */
let orders: Map<string, number>;

const askers = { own: OWN, other: OTHER, none: undefined, ended: ENDED } as const;
type Asker = keyof typeof askers;

/** Sends an operation in the session, or outside a session. `ok`, or the refusal: code, field, and the session that holds it. */
async function send(operation: Operation, body: object, session: string | undefined): Promise<string> {
  const order = orders.get(session ?? '') ?? 0;
  orders.set(session ?? '', order + 1);
  const whole = session === undefined ? { v: 2, ...body } : { v: 2, ...body, session, order };
  try {
    await cluster.raw('prefill-0', operation, JSON.stringify(whole));
    return 'ok';
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    const { code, field, details } = error;
    return [code, field, details.session].filter((part) => part !== undefined).join(' ');
  }
}

function putOf(request: string, more: object = {}): object {
  return {
    ...{ request, receiver: 'decode-0', batch: 0, last: true, totalChunks: 1, timeoutMs: 30_000, keys: [request] },
    source: [{ segment: 'whose', offset: 0, length: PAGE_BYTES }],
    ...more,
  };
}

const end = (session: string) => cluster.call('prefill-0', 'end', { session });

beforeEach(async () => {
  cluster = clusters.create();
  orders = new Map();
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  cluster.fabrics.files.set(PATH, new Uint8Array(2 * PAGE_BYTES));
  for (const session of [OWN, OTHER, ENDED]) {
    await cluster.call('prefill-0', 'open', { session, holder: 'engine', silentMs: 600_000 });
  }
  await end(ENDED);
});

/** Staging pages, as `stage` has lent them. */
let lent: string;

async function stage(session: string | undefined): Promise<void> {
  const order = session === undefined ? {} : { session, order: 0 };
  ({ segment: lent } = await cluster.call('prefill-0', 'stage', { holder: 'engine', pages: 1, ...order }));
  orders.set(session ?? '', 1);
}

async function putInTwo(session: string | undefined): Promise<void> {
  await send('attach', SEGMENT, session);
  await send('put', putOf('r', { last: false, totalChunks: 2 }), session);
}

const attached = (session: string | undefined) => send('attach', SEGMENT, session);
const stagedPut = () => putOf('r', { source: [{ segment: lent, offset: 0, length: PAGE_BYTES }] });
const one = () => ({ holder: 'engine', offsets: [0] });
const named = () => ({ segment: 'whose' });
const request = () => ({ request: 'r' });

const HELD = 'wrong_session segment 00000000000000a1';
const HELD_SOURCE = 'wrong_session source[0].segment 00000000000000a1';
const NOT_LENT = 'staging_not_lent source[0]';
const NOT_LENT_PAGE = 'staging_not_lent offsets[0]';

type Prepare = (session: string | undefined) => Promise<unknown>;
type Row = readonly [
  what: string,
  owner: Asker,
  Prepare,
  Operation,
  body: () => object,
  own: string,
  other: string,
  none: string,
];

/** What is there, whose it is, the operation on it, and the answers to the session, to another session, and to none. */
const rows: readonly Row[] = [
  ['a segment', 'own', attached, 'attach', () => SEGMENT, 'ok', HELD, HELD],
  ['a segment', 'own', attached, 'detach', named, 'ok', HELD, HELD],
  ['a segment', 'own', attached, 'put', () => putOf('r'), 'ok', HELD_SOURCE, HELD_SOURCE],
  ['a segment', 'none', attached, 'attach', () => SEGMENT, 'ok', 'ok', 'ok'],
  ['a segment', 'none', attached, 'detach', named, 'ok', 'ok', 'ok'],
  ['a segment', 'none', attached, 'put', () => putOf('r'), 'ok', 'ok', 'ok'],
  ['a staging page', 'own', stage, 'put', stagedPut, 'ok', NOT_LENT, NOT_LENT],
  ['a staging page', 'none', stage, 'put', stagedPut, NOT_LENT, NOT_LENT, 'ok'],
  ['a staging page', 'own', stage, 'unstage', one, 'ok', NOT_LENT_PAGE, NOT_LENT_PAGE],
  ['a staging page', 'none', stage, 'unstage', one, NOT_LENT_PAGE, NOT_LENT_PAGE, 'ok'],
  ['a staging page', 'own', stage, 'stage', () => ({ holder: 'engine', pages: 1 }), 'ok', 'ok', 'ok'],
  ['a request', 'own', putInTwo, 'cancel', request, 'ok', 'wrong_session request 00000000000000a1', 'ok'],
  ['a request', 'none', putInTwo, 'cancel', request, 'ok', 'ok', 'ok'],
];

const cases = rows.flatMap(([what, owner, prepare, operation, body, own, other, none]) =>
  Object.entries({ own, other, none, ended: 'session_ended session' }).map(([asker, answer]) => {
    return { what, owner, prepare, operation, body, asker: asker as Asker, answer };
  }),
);

test.each(cases)(
  'P19: $operation of $what of session "$owner" by session "$asker" → $answer',
  async ({ owner, prepare, operation, body, asker, answer }) => {
    await prepare(askers[owner]);
    expect(await send(operation, body(), askers[asker])).toBe(answer);
  },
);

describe('the end of a session answers for its segments', () => {
  const chunksInUse = async (session: string) => (await end(session)).chunksInUse;
  const blockWrites = () => cluster.fabrics.holdWrites();

  test('P19: it says 0 → no put of another session or of none reads its segment', async () => {
    await attached(OWN);
    expect([await send('put', putOf('a'), OTHER), await send('put', putOf('b'), undefined)]).toEqual([
      HELD_SOURCE,
      HELD_SOURCE,
    ]);
    expect(await chunksInUse(OWN)).toBe(0);
    expect((await cluster.status('prefill-0')).counters.requests_accepted).toBeUndefined();
  });

  test('P19: a put reads a segment of no session → no session gets the segment', async () => {
    const held = blockWrites();
    await attached(undefined);
    await send('put', putOf('a'), undefined);
    await cluster.clock.until(() => held.held > 0);
    expect(await attached(OWN)).toBe('segment_in_use segment');
    held.release();
    await cluster.ended('a');
    expect(await attached(OWN)).toBe('ok');
  });

  test('P19: a write of an ended session reads it → the next session counts it too', async () => {
    const held = blockWrites();
    await attached(OWN);
    await send('put', putOf('a'), OWN);
    await cluster.clock.until(() => held.held > 0);
    expect(await chunksInUse(OWN)).toBe(1);
    expect(await attached(OTHER)).toBe('ok');
    await send('put', putOf('b'), OTHER);
    const shown = async () => (await cluster.status('prefill-0')).sessions.map(({ chunksInUse: count }) => count);
    expect(await shown()).toEqual([1, 2]);
    held.release();
    await cluster.clock.advance(10_000);
    expect([await shown(), await chunksInUse(OWN), await chunksInUse(OTHER)]).toEqual([[0], 0, 0]);
    expect(cluster.terminals.map(({ request, end }) => `${request} ${end}`)).toEqual(['a cancelled', 'b ready']);
  });
});
