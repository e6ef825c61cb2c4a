/** What a prefill engine does with its memory, whatever the agent answers. */
import { beforeEach, describe, expect, test } from 'vitest';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { PrefillEngine, type PrefillEngineOptions } from '../../src/client/prefill-engine.js';
import { RequestEnds } from '../../src/client/request-ends.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { KvferryError } from '../../src/protocol/errors.js';
import {
  answerSessions,
  epoch,
  noAnswer,
  refusal,
  ScriptedAgent,
  successor,
  TERMINALS,
  terminal,
} from './scripted-agent.js';

const SLOT_BYTES = 16;
const memoryBytes = new Uint8Array(4 * SLOT_BYTES);
const memory = {
  path: '/dev/shm/memory',
  bytes: memoryBytes.length,
  write: (offset: number, bytes: Uint8Array) => memoryBytes.set(bytes, offset),
};
const plan = { request: 'r', receiver: 'd', timeoutMs: 1000 };

let agent: ScriptedAgent;
let clock: SimulatedClock;
let releasedTwice: string[];
let released: number[];
/** The process of the agent. */
let running: string;
let sessions: number;

const FIRST = '00000000000000f1';
const SECOND = '00000000000000f2';

beforeEach(() => {
  agent = new ScriptedAgent();
  clock = new SimulatedClock();
  releasedTwice = [];
  released = [];
  memoryBytes.fill(0);
  running = epoch;
  sessions = 0;
  answerSessions(agent, () => running);
  agent.answers.attach = () => ({ bytes: memory.bytes });
  agent.answers.put = () => ({ epoch: running });
});

function open(options: Partial<PrefillEngineOptions> = {}): Promise<PrefillEngine> {
  return PrefillEngine.open({
    client: new KvferryClient(agent),
    agent: 'p',
    segment: 's',
    memory,
    slotBytes: SLOT_BYTES,
    clock,
    newSession: () => {
      sessions += 1;
      return `00000000000000f${sessions}`;
    },
    onReleasedTwice: ({ request, batch }, position) => releasedTwice.push(`${request} ${batch} ${position}`),
    onReleased: (offsets) => released.push(...offsets),
    ...options,
  });
}

/** The agent is restarted: it knows no session that was opened before. */
/** The next process of the agent runs; `alone`: the first one has ended. The engine opens a session with it at its first heartbeat. */
async function restart(more: { alone?: boolean } = {}): Promise<void> {
  running = successor;
  for (let beat = 0; beat < 2; beat += 1) {
    agent.emitHeartbeat('p', successor, more);
    await clock.advance(0);
  }
}

/** Chunks whose bytes are the number of the chunk. */
function chunksOf(...keys: string[]) {
  return keys.map((key, index) => ({ key, bytes: new Uint8Array(SLOT_BYTES).fill(index + 1) }));
}

const release = (batch: number, positions: number[], by = epoch) =>
  agent.emit('kvferry.v2.source.p.default', { request: 'r', epoch: by, batch, positions });

describe('a prefill engine', () => {
  test('attaches its memory, and puts what it filled in batches', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a', 'b', 'c'));
    expect([memoryBytes[0], memoryBytes[SLOT_BYTES], memoryBytes[2 * SLOT_BYTES]]).toEqual([1, 2, 3]);
    const outgoing = await engine.put(plan, chunks, 2);
    expect(outgoing.epoch).toBe(epoch);
    const common = { v: 2, ...plan, totalChunks: 3, session: FIRST };
    const run = { segment: 's', length: SLOT_BYTES };
    expect(agent.bodiesOf('open')).toEqual([{ v: 2, session: FIRST, holder: 's', silentMs: 30_000 }]);
    expect(agent.bodiesOf('attach')).toEqual([{ v: 2, segment: 's', path: memory.path, session: FIRST, order: 0 }]);
    expect(agent.bodiesOf('put')).toEqual([
      {
        ...common,
        order: 1,
        batch: 0,
        last: false,
        keys: ['a', 'b'],
        source: [{ ...run, offset: 0, count: 2, stride: SLOT_BYTES }],
      },
      {
        ...common,
        order: 2,
        batch: 1,
        last: true,
        keys: ['c'],
        source: [{ ...run, offset: 2 * SLOT_BYTES, count: 1 }],
      },
    ]);
  });

  test('uses memory again only when the agent has released it', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b', 'c', 'd')), 2);
    const next = engine.fill(chunksOf('e', 'f'));
    expect(engine.slots).toEqual({ total: 4, free: 0 });
    release(0, [1]);
    expect(engine.slots.free).toBe(1);
    release(1, [0]);
    expect((await next).map(({ offset }) => offset)).toEqual([SLOT_BYTES, 2 * SLOT_BYTES]);
    expect(releasedTwice).toEqual([]);
    release(0, [0, 1]);
    expect(releasedTwice).toEqual(['r 0 1']);
    release(1, [1]);
    agent.emit('kvferry.v2.source.p.default', { request: 'another', epoch, batch: 0, positions: [0] });
    expect(engine.slots.free).toBe(2);
    expect(released).toEqual([SLOT_BYTES, 2 * SLOT_BYTES, 0, 3 * SLOT_BYTES]);
  });

  test('takes memory back that the agent releases before it answers the put', async () => {
    const engine = await open();
    agent.answers.put = () => {
      release(0, [0]);
      return { epoch };
    };
    await engine.put(plan, await engine.fill(chunksOf('a')));
    expect(engine.slots.free).toBe(4);
  });

  test('takes back the memory of refused batches and of the batches behind them', async () => {
    const engine = await open();
    agent.answers.put = () => refusal('agent_draining');
    const chunks = await engine.fill(chunksOf('a', 'b', 'c'));
    await expect(engine.put(plan, chunks, 1)).rejects.toMatchObject({ code: 'agent_draining' });
    expect(engine.slots.free).toBe(4);
    expect(agent.bodiesOf('put')).toHaveLength(1);
  });

  test('takes memory back when the batches would have no chunks', async () => {
    const engine = await open();
    const putting = engine.put(plan, await engine.fill(chunksOf('a')), 0);
    await expect(putting).rejects.toMatchObject({ code: 'invalid_field', field: 'chunksPerBatch' });
    expect([engine.slots.free, agent.bodiesOf('put')]).toEqual([4, []]);
  });

  test('takes memory back when a chunk cannot be filled', async () => {
    const engine = await open();
    const bytes = () => {
      throw new Error('the copy has failed');
    };
    await expect(engine.fill([...chunksOf('a'), { key: 'b', bytes }])).rejects.toThrow('the copy has failed');
    expect(engine.slots.free).toBe(4);
  });

  test('does not let a chunk reach into the next slot', async () => {
    const engine = await open();
    const chunks = [{ key: 'a', bytes: new Uint8Array(SLOT_BYTES + 1).fill(1) }];
    await expect(engine.fill(chunks)).rejects.toMatchObject({
      code: 'invalid_field',
      message: `chunk a has ${SLOT_BYTES + 1} bytes, a slot has ${SLOT_BYTES}`,
    });
    expect([memoryBytes[SLOT_BYTES], engine.slots.free]).toEqual([0, 4]);
  });

  test('no answer, and the put was not executed → its memory comes back', async () => {
    const engine = await open({ patienceMs: 0 });
    agent.answers.put = noAnswer;
    agent.answers.barrier = noAnswer;
    await expect(engine.put(plan, await engine.fill(chunksOf('a', 'b')))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await clock.advance(20_000);
    expect(engine.slots.free).toBe(2);
    agent.answers.barrier = () => ({ epoch, barred: [1] });
    await clock.advance(500);
    expect(engine.slots.free).toBe(4);
    expect(agent.bodiesOf('barrier').at(-1)).toEqual({ v: 2, session: FIRST, order: 2 });
  });

  test('no answer, and the put was executed → its memory comes back when released', async () => {
    const engine = await open({ patienceMs: 0 });
    const answers = [noAnswer, () => ({ epoch })];
    agent.answers.put = () => (answers.shift() as () => object)();
    await expect(engine.put(plan, await engine.fill(chunksOf('a', 'b')))).rejects.toThrow();
    await clock.advance(500);
    expect([engine.slots.free, agent.bodiesOf('put').length]).toEqual([2, 2]);
    release(0, [0, 1]);
    expect(engine.slots.free).toBe(4);
  });

  test('no answer, and the agent is restarted → its memory comes back', async () => {
    const engine = await open({ patienceMs: 0 });
    agent.answers.put = noAnswer;
    agent.answers.barrier = noAnswer;
    await expect(engine.put(plan, await engine.fill(chunksOf('a', 'b')))).rejects.toThrow();
    await restart();
    expect(engine.slots.free).toBe(4);
  });

  test('does not use a request id again while memory of it is lent', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    await expect(engine.put(plan, await engine.fill(chunksOf('b')))).rejects.toMatchObject({
      code: 'duplicate_batch',
      message: 'source memory of batch 0 of request r is still lent',
    });
    expect(engine.slots.free).toBe(3);
  });

  test('P25: asks for lost releases when a prompt waits for memory', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b', 'c', 'd')));
    agent.answers.sources = () => ({
      epoch,
      alone: true,
      batches: [{ request: 'r', batch: 0, positions: [0, 1, 2, 3] }],
    });
    agent.emitHeartbeat('p', epoch);
    await clock.advance(0);
    expect(agent.bodiesOf('sources')).toEqual([]);
    const next = engine.fill(chunksOf('e', 'f'));
    agent.emitHeartbeat('p', epoch);
    await clock.advance(0);
    expect([agent.bodiesOf('sources'), engine.slots.free]).toEqual([[{ v: 2, session: FIRST }], 0]);
    agent.answers.sources = () => ({ epoch, alone: true, batches: [{ request: 'r', batch: 0, positions: [1] }] });
    agent.emitHeartbeat('p', epoch);
    await next;
    expect(engine.slots.free).toBe(1);
  });
});

describe('a chunk whose slot came back', () => {
  test('a refused chunk, put again after another fill → refused, and nothing is sent', async () => {
    const engine = await open({ patienceMs: 0 });
    const chunks = await engine.fill(chunksOf('a'));
    agent.answers.put = () => refusal('unknown_receiver');
    await expect(engine.put(plan, chunks)).rejects.toMatchObject({ code: 'unknown_receiver' });
    await engine.fill(chunksOf('b'));
    const sent = agent.bodiesOf('put').length;
    await expect(engine.put({ ...plan, request: 'r2' }, chunks)).rejects.toMatchObject({
      code: 'invalid_field',
      field: 'chunks[0]',
      message: expect.stringMatching(/^chunk a is no longer in the memory at offset \d+: fill it again$/),
    });
    expect(agent.bodiesOf('put')).toHaveLength(sent);
  });

  test('a refused chunk in the first batch → its request has no end to wait for', async () => {
    const client = new KvferryClient(agent);
    const ends = new RequestEnds(client, { clock });
    const engine = await open({ client, ends });
    await expect(engine.put(plan, [{ key: 'a', segment: 's', offset: 0, length: 1 }])).rejects.toMatchObject({
      code: 'invalid_field',
    });
    // A caller that expects and forgets the end leaves no other one.
    let ended = false;
    void ends.expect('r').then(() => {
      ended = true;
    });
    ends.forget('r');
    agent.emit(TERMINALS, terminal('r'));
    await clock.advance(1);
    expect(ended).toBe(false);
  });

  test('a refused chunk in a later batch → the request still has its end', async () => {
    const engine = await open();
    const outgoing = engine.begin({ ...plan, totalChunks: 2 });
    await outgoing.put(await engine.fill(chunksOf('a')));
    const stale = [{ key: 'b', segment: 's', offset: 3 * SLOT_BYTES, length: 1 }];
    await expect(outgoing.put(stale)).rejects.toMatchObject({ code: 'invalid_field' });
    agent.emit(TERMINALS, terminal('r', 'expired'));
    expect(await outgoing.end()).toMatchObject({ event: { end: 'expired' } });
  });

  test('a chunk that is put twice in one batch → refused, its slot comes back once', async () => {
    const engine = await open();
    const [filled] = await engine.fill(chunksOf('a'));
    const twice = [filled, filled].flatMap((chunk) => chunk ?? []);
    await expect(engine.put(plan, twice)).rejects.toMatchObject({ code: 'invalid_field', field: 'chunks[1]' });
    expect(engine.slots).toEqual({ total: 4, free: 4 });
  });

  test('a chunk that is discarded twice, or was never filled → no slot comes back twice', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a', 'b'));
    engine.discard(chunks);
    engine.discard(chunks);
    engine.discard([{ key: 'c', segment: 's', offset: 0, length: 1 }]);
    expect(engine.slots).toEqual({ total: 4, free: 4 });
  });
});

describe('a prefill engine while NATS is away', () => {
  const away = () => {
    throw new KvferryError('disconnected', 'NATS is disconnected');
  };

  test('a put that could not be sent → its slots come back', async () => {
    const engine = await open({ patienceMs: 0 });
    const chunks = await engine.fill(chunksOf('a', 'b'));
    agent.setStatus('disconnected');
    agent.answers.put = away;
    await expect(engine.put(plan, chunks)).rejects.toMatchObject({ code: 'disconnected' });
    expect(engine.slots).toEqual({ total: 4, free: 4 });
  });

  test('a put whose connection broke → its slots stay lent', async () => {
    const engine = await open({ patienceMs: 0 });
    const chunks = await engine.fill(chunksOf('a', 'b'));
    agent.answers.put = away;
    await expect(engine.put(plan, chunks)).rejects.toMatchObject({ code: 'disconnected' });
    expect(engine.slots).toEqual({ total: 4, free: 2 });
  });

  test('release events were lost → they are asked for when NATS is back', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    agent.setStatus('disconnected');
    agent.setStatus('connected');
    agent.emitHeartbeat('p', epoch);
    await clock.advance(1);
    expect(engine.slots).toEqual({ total: 4, free: 4 });
  });
});

describe('a put that NATS interrupts', () => {
  test('P25: the answer to a put comes after an outage → its lost releases are asked for', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a', 'b'));
    agent.answers.put = noAnswer;
    const put = engine.put(plan, chunks);
    await clock.advance(1);
    agent.setStatus('disconnected');
    agent.setStatus('connected');
    agent.emitHeartbeat('p', epoch);
    await clock.advance(1);
    expect(agent.bodiesOf('sources')).toEqual([]);
    agent.answers.put = () => ({ epoch });
    await clock.advance(100);
    await put;
    agent.emitHeartbeat('p', epoch);
    await clock.advance(1);
    expect(engine.slots).toEqual({ total: 4, free: 4 });
    agent.emitHeartbeat('p', epoch);
    await clock.advance(1);
    expect(agent.bodiesOf('sources')).toHaveLength(1);
  });
});

describe('a release event that is lost while the engine stays connected', () => {
  const heartbeatAfter = async (ms: number) => {
    await clock.advance(ms);
    agent.emitHeartbeat('p', epoch);
    await clock.advance(0);
  };

  test('P25: its batch is lent for 5 s → the agent is asked, and the memory comes back', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    agent.answers.sources = () => ({ epoch, alone: true, batches: [] });
    await heartbeatAfter(4999);
    expect([agent.bodiesOf('sources'), engine.slots.free]).toEqual([[], 2]);
    await heartbeatAfter(1);
    expect([agent.bodiesOf('sources'), engine.slots.free]).toEqual([[{ v: 2, session: FIRST }], 4]);
  });

  test('P25: the agent still reads the batch → it is asked every 5 s only', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    agent.answers.sources = () => ({ epoch, alone: true, batches: [{ request: 'r', batch: 0, positions: [1] }] });
    for (let beat = 0; beat < 24; beat += 1) await heartbeatAfter(500);
    expect([agent.bodiesOf('sources').length, engine.slots.free]).toEqual([2, 3]);
  });

  test('P25: NATS fails while the agent is asked → it is asked again', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    agent.answers.sources = () => {
      agent.setStatus('disconnected');
      agent.setStatus('connected');
      return { epoch, alone: true, batches: [{ request: 'r', batch: 0, positions: [0, 1] }] };
    };
    await heartbeatAfter(5000);
    agent.answers.sources = () => ({ epoch, alone: true, batches: [] });
    await heartbeatAfter(1);
    expect([agent.bodiesOf('sources').length, engine.slots.free]).toEqual([2, 4]);
  });

  test('P25: its process ends while it is asked → each slot comes back once', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    agent.answers.sources = () => {
      agent.emitHeartbeat('p', epoch, { draining: true, leaving: true });
      return { epoch, alone: true, batches: [] };
    };
    await heartbeatAfter(5000);
    expect([engine.slots.free, released]).toEqual([4, [0, SLOT_BYTES]]);
  });

  test.each([
    [epoch, 'what both list', 2],
    [successor, 'all of it, when another process gives the second one,', 1],
  ])('P25: its answer has two parts (%s) → %s stays lent', async (second, _, free) => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b', 'c')), 1);
    const held = (batch: number) => ({ request: 'r', batch, positions: [0] });
    const next = { request: 'r', batch: 0 };
    agent.answers.sources = (body) =>
      'after' in body
        ? { epoch: second, alone: false, batches: second === epoch ? [held(1)] : [] }
        : { epoch, alone: false, batches: [held(0)], next };
    await heartbeatAfter(5000);
    expect(agent.bodiesOf('sources')).toEqual([
      { v: 2, session: FIRST },
      { v: 2, session: FIRST, after: next },
    ]);
    expect(engine.slots.free).toBe(free);
  });
});

describe('a put to an agent that is cut off from NATS', () => {
  test('an answer is lost, and the order was refused as cut off → its slots come back', async () => {
    const engine = await open({ patienceMs: 1000 });
    const chunks = await engine.fill(chunksOf('a', 'b'));
    const answers = [noAnswer];
    agent.answers.put = () => answers.shift()?.() ?? refusal('disconnected');
    const put = engine.put(plan, chunks).catch(({ code }) => code);
    await clock.advance(5000);
    expect([await put, engine.slots.free]).toEqual(['disconnected', 4]);
  });

  test('the first order was refused as cut off → the batch is put again as another order', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a'));
    agent.answers.put = (body) => ((body as { order: number }).order === 1 ? refusal('disconnected') : { epoch });
    const put = engine.put(plan, chunks);
    await clock.advance(1000);
    expect((await put).epoch).toBe(epoch);
    expect(agent.bodiesOf('put')).toMatchObject([{ order: 1 }, { order: 2 }]);
  });
});

describe('a put whose answer was lost', () => {
  test('the answer cannot be read → its slots stay lent', async () => {
    const engine = await open({ patienceMs: 0 });
    const chunks = await engine.fill(chunksOf('a', 'b'));
    agent.answers.put = () => ({ epoch: 'not an epoch' });
    await expect(engine.put(plan, chunks)).rejects.toMatchObject({ code: 'invalid_field' });
    await clock.advance(10);
    expect(engine.slots).toEqual({ total: 4, free: 2 });
  });

  test('P25: executed, and its answer is forgotten → what the agent reads stays lent', async () => {
    const engine = await open();
    const answers = [noAnswer];
    agent.answers.put = () => (answers.shift() ?? (() => refusal('order_forgotten')))();
    agent.answers.sources = () => ({ epoch, alone: true, batches: [{ request: 'r', batch: 0, positions: [1] }] });
    const put = engine.put(plan, await engine.fill(chunksOf('a', 'b'))).catch(({ code }) => code);
    await clock.advance(1000);
    expect([await put, engine.slots.free]).toEqual(['order_forgotten', 2]);
    await clock.advance(5000);
    agent.emitHeartbeat('p', epoch);
    await clock.advance(0);
    expect(engine.slots.free).toBe(3);
  });

  test('P25: given up, and its answer is forgotten → what the agent reads stays lent', async () => {
    const engine = await open({ patienceMs: 0 });
    const answers = [noAnswer];
    agent.answers.put = () => (answers.shift() ?? (() => refusal('order_forgotten')))();
    await expect(engine.put(plan, await engine.fill(chunksOf('a')))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await clock.advance(1000);
    expect([agent.bodiesOf('put').length, engine.slots.free]).toEqual([2, 3]);
    agent.answers.sources = () => ({ epoch, alone: true, batches: [] });
    await clock.advance(5000);
    agent.emitHeartbeat('p', epoch);
    await clock.advance(0);
    expect(engine.slots.free).toBe(4);
  });

  test('P25: only the engine left the session → it is ended before the question', async () => {
    const engine = await open({ patienceMs: 100 });
    agent.answers.put = noAnswer;
    const put = engine.put(plan, await engine.fill(chunksOf('a'))).catch(({ code }) => code);
    await clock.advance(10);
    agent.emitHeartbeat('p', successor, { alone: false });
    await clock.advance(500);
    expect([await put, engine.slots.free]).toEqual(['deadline_exceeded', 3]);
    const asked = agent.operations.length;
    agent.emitHeartbeat('p', epoch);
    await clock.advance(100);
    expect(agent.operations.slice(asked)).toEqual(['end', 'sources']);
    expect(agent.bodiesOf('end').at(-1)).toEqual({ v: 2, session: FIRST });
    expect(engine.slots.free).toBe(4);
  });

  test.each([
    [true, 4],
    [false, 3],
  ])('P25: its session is forgotten, and the process is alone (%s) → %i slots are free', async (alone, free) => {
    const engine = await open({ patienceMs: 0 });
    agent.answers.put = noAnswer;
    for (const operation of ['barrier', 'end']) agent.answers[operation] = () => refusal('unknown_session');
    agent.answers.sources = () => ({ epoch, alone, batches: [] });
    await expect(engine.put(plan, await engine.fill(chunksOf('a')))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await clock.advance(100);
    agent.emitHeartbeat('p', epoch);
    await clock.advance(100);
    expect(engine.slots.free).toBe(free);
  });

  test('P25: a put is under way and not listed by the agent → its slots stay lent', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a', 'b', 'c', 'd'));
    agent.answers.put = noAnswer;
    agent.answers.sources = () => ({ epoch, alone: true, batches: [] });
    const put = engine.put(plan, chunks).catch(({ code }) => code);
    const abort = new AbortController();
    const next = engine.fill(chunksOf('e'), abort.signal).catch((reason) => reason);
    await clock.advance(10);
    agent.emitHeartbeat('p', epoch);
    await clock.advance(10);
    expect([engine.slots.free, released]).toEqual([0, []]);
    abort.abort('no more');
    expect(await next).toBe('no more');
    agent.answers.put = () => ({ epoch });
    await clock.advance(100);
    expect(await put).toMatchObject({ epoch });
  });

  test('a release of another process of the agent → the slots stay lent', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    release(0, [0], successor);
    expect(engine.slots).toEqual({ total: 4, free: 3 });
  });

  test('the session ends before the answer → what the agent still reads stays lent', async () => {
    const engine = await open({ patienceMs: 0 });
    const chunks = await engine.fill(chunksOf('a', 'b'));
    agent.answers.put = noAnswer;
    agent.answers.barrier = () => refusal('session_ended');
    agent.answers.sources = () => ({ epoch, alone: true, batches: [{ request: 'r', batch: 0, positions: [1] }] });
    await expect(engine.put(plan, chunks)).rejects.toMatchObject({ code: 'deadline_exceeded' });
    agent.emitHeartbeat('p', epoch);
    await clock.advance(10);
    expect([engine.slots.free, agent.bodiesOf('sources')]).toEqual([3, [{ v: 2, session: FIRST }]]);
    release(0, [1]);
    expect(engine.slots.free).toBe(4);
    // Nothing of the request is lent, so its name is free.
    agent.answers.put = () => ({ epoch });
    expect((await engine.put(plan, await engine.fill(chunksOf('a')))).epoch).toBe(epoch);
  });

  test('a release names a position beyond the batch → it is ignored', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    release(0, [0, 200_000_000]);
    expect([engine.slots, releasedTwice]).toEqual([{ total: 4, free: 4 }, []]);
  });
});

describe('the limits of a prefill engine', () => {
  test.each([0, -1, 1.5, 65, Number.NaN])('slots of %s bytes do not fit into its memory', async (slotBytes) => {
    await expect(open({ slotBytes })).rejects.toMatchObject({ code: 'invalid_field', field: 'slotBytes' });
  });

  test('an engine closes while a prompt waits for slots → the prompt is rejected', async () => {
    const engine = await open();
    await engine.fill(chunksOf('a', 'b', 'c', 'd'));
    const waiting = engine.fill(chunksOf('e')).catch(({ code }) => code);
    await engine.close();
    expect(await waiting).toBe('closed');
  });

  test('a closed engine fills nothing', async () => {
    const engine = await open();
    await engine.close();
    await expect(engine.fill(chunksOf('a'))).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a prefill engine whose agent is restarted', () => {
  test('gets back what the former process had, and attaches its memory again', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    const next = engine.fill(chunksOf('c', 'd', 'e', 'f'));
    await restart();
    const outgoing = await engine.put({ ...plan, request: 'next' }, await next);
    expect(outgoing.epoch).toBe(successor);
    expect(agent.bodiesOf('attach').at(-1)).toEqual({
      v: 2,
      segment: 's',
      path: memory.path,
      session: SECOND,
      order: 0,
    });
    expect(agent.bodiesOf('put').at(-1)).toMatchObject({ session: SECOND, order: 1 });
  });

  test('T22: the former process drains → what it may read stays lent until it ends', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    running = successor;
    for (let beat = 0; beat < 3; beat += 1) {
      agent.emitHeartbeat('p', epoch, { draining: true });
      agent.emitHeartbeat('p', successor, { alone: false });
      await clock.advance(1000);
    }
    expect([engine.slots.free, agent.bodiesOf('open').length]).toEqual([2, 2]);
    agent.emitHeartbeat('p', successor);
    await clock.advance(0);
    expect(engine.slots.free).toBe(4);
  });

  test('T22: the former process drains and leaves → its memory comes back at once', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    agent.emitHeartbeat('p', epoch, { draining: true, leaving: true });
    expect(engine.slots.free).toBe(4);
  });

  test('the former process is heard again → what the present one reads stays lent', async () => {
    const engine = await open();
    await restart();
    await engine.put({ ...plan, request: 'next' }, await engine.fill(chunksOf('a', 'b')));
    agent.emitHeartbeat('p', epoch);
    await clock.advance(1000);
    expect([engine.slots.free, agent.bodiesOf('open').length]).toEqual([2, 2]);
  });

  test('restarted twice, the process in between is heard again → its session stays', async () => {
    await open();
    await restart();
    running = '00000000000000cc';
    agent.emitHeartbeat('p', running);
    await clock.advance(0);
    expect(agent.bodiesOf('open')).toHaveLength(3);
    agent.emitHeartbeat('p', successor);
    await clock.advance(1000);
    expect(agent.bodiesOf('open')).toHaveLength(3);
  });

  test('T22: closed while the former process reads → segment_in_use until it ends', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    await restart({ alone: false });
    agent.answers.sources = () => ({ epoch: successor, alone: false, batches: [] });
    const closing = expect(engine.close()).rejects.toMatchObject({
      code: 'segment_in_use',
      message: `the process of agent p with epoch ${epoch} may still read chunks of this engine`,
    });
    await clock.advance(6000);
    await closing;
    agent.emitHeartbeat('p', epoch, { draining: true, leaving: true });
    await engine.close();
    expect(agent.subjects).toEqual([]);
  });

  test('tries again when its memory could not be attached, and says why meanwhile', async () => {
    const engine = await open({ patienceMs: 100 });
    agent.answers.attach = () => refusal('segment_not_found');
    await restart();
    const putting = engine.put(plan, await engine.fill(chunksOf('a'))).catch(({ code }) => code);
    await clock.advance(500);
    expect(await putting).toBe('segment_not_found');
    agent.answers.attach = () => ({ bytes: memory.bytes });
    await clock.advance(2000);
    expect((await engine.put({ ...plan, request: 'r2' }, await engine.fill(chunksOf('b')))).epoch).toBe(successor);
    const opened = agent.bodiesOf('open').map((body) => (body as { session: string }).session);
    expect([opened.length > 2, new Set(opened).size]).toEqual([true, opened.length]);
  });

  test('does not take the memory of another engine with its name', async () => {
    await open();
    agent.answers.attach = () => refusal('segment_exists', { session: SECOND });
    await restart();
    await clock.advance(5000);
    const ended = agent.bodiesOf('end').map((body) => (body as { session: string }).session);
    expect([agent.bodiesOf('detach').length, ended.includes('00000000000000f0')]).toEqual([0, false]);
  });

  test('learns it from the answer to a put → the put is executed in the next session', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a'));
    running = successor;
    agent.answers.put = (body) =>
      (body as { session: string }).session === FIRST ? refusal('unknown_session') : { epoch: successor };
    const putting = engine.put(plan, chunks);
    await clock.advance(100);
    expect((await putting).epoch).toBe(successor);
    expect(engine.slots.free).toBe(3);
  });

  test('an attempt may have been executed before → the put is not executed a second time', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a'));
    const answers = [noAnswer, () => refusal('unknown_session')];
    agent.answers.put = () => {
      running = successor;
      return (answers.shift() as () => object)();
    };
    const putting = engine.put(plan, chunks).catch(({ code }) => code);
    await clock.advance(1000);
    expect([await putting, agent.bodiesOf('put').length]).toEqual(['sender_lost', 2]);
    agent.emitHeartbeat('p', successor);
    await clock.advance(0);
    expect(engine.slots.free).toBe(4);
  });
});

describe('a prefill engine that opens', () => {
  test('takes the place of an earlier engine of its name that had no session', async () => {
    const answers = [refusal('segment_exists'), { bytes: memory.bytes }];
    agent.answers.attach = () => answers.shift() as object;
    const opening = open();
    await clock.advance(200);
    await opening;
    expect(agent.operations).toEqual(['open', 'attach', 'barrier', 'detach', 'attach']);
  });

  test('the agent reads the segment of an earlier engine → segment_in_use', async () => {
    agent.answers.attach = () => refusal('segment_exists');
    agent.answers.detach = () => refusal('segment_in_use');
    await expect(open({ patienceMs: 0 })).rejects.toMatchObject({ code: 'segment_in_use' });
  });

  test('takes the place of an earlier engine of its name, whose session it ends', async () => {
    const answers = [refusal('segment_exists', { session: SECOND }), { bytes: memory.bytes }];
    agent.answers.attach = () => answers.shift() as object;
    const opening = open();
    await clock.advance(200);
    await opening;
    expect(agent.bodiesOf('end')).toEqual([{ v: 2, session: SECOND }]);
  });

  test('waits for an agent that is away', async () => {
    const answers = [refusal('no_responders'), { epoch, silentMs: 30_000, order: 0 }];
    agent.answers.open = () => answers.shift() as object;
    const opening = open();
    await clock.advance(300);
    await opening;
    expect(agent.operations).toEqual(['open', 'open', 'attach']);
    expect(new Set(agent.bodiesOf('open').map((body) => JSON.stringify(body))).size).toBe(1);
  });

  test('keeps its session open, and opens another one when it has ended', async () => {
    await open({ silentMs: 4000 });
    await clock.advance(3500);
    expect(agent.bodiesOf('renew')).toHaveLength(3);
    agent.answers.renew = () => refusal('session_ended');
    await clock.advance(1000);
    expect(agent.bodiesOf('open').at(-1)).toMatchObject({ session: SECOND });
  });

  test.each(['segment_not_found', 'segment_invalid'])('gives up at %s, and leaves nothing open', async (code) => {
    agent.answers.attach = () => refusal(code);
    await expect(open()).rejects.toMatchObject({ code });
    expect(agent.subjects).toEqual([]);
  });
});

describe('a prefill engine that closes', () => {
  test('waits until the agent reads no chunk any more, then ends its session', async () => {
    const engine = await open();
    const answers = [refusal('segment_in_use'), {}];
    agent.answers.detach = () => answers.shift() as object;
    const closing = engine.close();
    await clock.advance(100);
    await closing;
    expect(agent.bodiesOf('detach')).toHaveLength(2);
    expect(agent.bodiesOf('end')).toEqual([{ v: 2, session: FIRST }]);
    expect(agent.subjects).toEqual([]);
  });

  test.each(['unknown_session', 'no_responders'])('is closed when the agent answers %s', async (code) => {
    const engine = await open();
    for (const operation of ['detach', 'end']) agent.answers[operation] = () => refusal(code);
    const closing = engine.close();
    await clock.advance(2000);
    await closing;
  });

  test('P25: release events were lost, and the agent reads nothing → memory comes back', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a', 'b')));
    await engine.close();
    expect([engine.slots, released.length]).toEqual([{ total: 4, free: 4 }, 2]);
  });

  test.each(['unknown_session', 'no_responders'])(
    'no process answers for its memory (%s) → segment_in_use',
    async (code) => {
      const engine = await open();
      await engine.put(plan, await engine.fill(chunksOf('a')));
      for (const operation of ['detach', 'end', 'open', 'sources']) agent.answers[operation] = () => refusal(code);
      const closing = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
      await clock.advance(6000);
      await closing;
      expect(engine.slots.free).toBe(3);
      agent.emitHeartbeat('p', epoch, { draining: true, leaving: true });
      await engine.close();
      expect(engine.slots.free).toBe(4);
    },
  );

  test('T22: the former process drains, and the next has no session → segment_in_use', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    for (const operation of ['open', 'sources']) agent.answers[operation] = () => refusal('no_responders');
    agent.emitHeartbeat('p', successor, { alone: false });
    const closing = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
    await clock.advance(6000);
    await closing;
    expect(engine.slots.free).toBe(3);
  });

  test('T22: closed while the former process reads, which then dies → closed again', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    await restart({ alone: false });
    agent.answers.sources = () => ({ epoch: successor, alone: false, batches: [] });
    const closing = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
    await clock.advance(6000);
    await closing;
    agent.emitHeartbeat('p', successor);
    await engine.close();
    expect([engine.slots.free, agent.subjects]).toEqual([4, []]);
  });

  test('T22: its agent dies, and the next process is alone → closed at the next attempt', async () => {
    const engine = await open();
    await engine.put(plan, await engine.fill(chunksOf('a')));
    for (const operation of ['detach', 'end', 'sources']) agent.answers[operation] = () => refusal('no_responders');
    const closing = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
    await clock.advance(6000);
    await closing;
    for (const operation of ['detach', 'end']) agent.answers[operation] = () => refusal('unknown_session');
    agent.answers.sources = () => ({ epoch: successor, alone: false, batches: [] });
    const early = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
    await clock.advance(6000);
    await early;
    agent.answers.sources = () => ({ epoch: successor, alone: true, batches: [] });
    const late = engine.close();
    await clock.advance(6000);
    await late;
    expect([engine.slots.free, agent.subjects]).toEqual([4, []]);
  });

  test('T22: a put is in doubt when its agent dies → closed when the next one is alone', async () => {
    const engine = await open({ patienceMs: 0 });
    for (const operation of ['put', 'barrier']) agent.answers[operation] = noAnswer;
    await expect(engine.put(plan, await engine.fill(chunksOf('a')))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    for (const operation of ['detach', 'end']) agent.answers[operation] = () => refusal('unknown_session');
    agent.answers.sources = () => ({ epoch: successor, alone: true, batches: [] });
    const closing = engine.close();
    await clock.advance(12_000);
    await closing;
    expect([engine.slots.free, agent.subjects]).toEqual([4, []]);
  });

  test('a put waits for its receiver → the engine closes, and its memory comes back', async () => {
    const engine = await open();
    agent.answers.put = () => refusal('unknown_receiver');
    const putting = engine.put(plan, await engine.fill(chunksOf('a'))).catch(({ code }) => code);
    await clock.advance(500);
    const closing = engine.close();
    await clock.advance(1000);
    await closing;
    expect([await putting, engine.slots.free]).toEqual(['closed', 4]);
  });

  test('it closes while its next session is being opened → no put is sent any more', async () => {
    const engine = await open();
    const chunks = await engine.fill(chunksOf('a'));
    agent.answers.attach = noAnswer;
    await restart();
    const putting = engine.put(plan, chunks).catch(({ code }) => code);
    const closing = engine.close();
    await clock.advance(6000);
    await closing;
    agent.answers.attach = () => ({ bytes: memory.bytes });
    await clock.advance(10_000);
    expect([await putting, agent.bodiesOf('put'), engine.slots.free]).toEqual(['closed', [], 4]);
    expect(agent.bodiesOf('end').at(-1)).toEqual({ v: 2, session: SECOND });
  });

  test('NATS is away, and nothing is lent → it is closed', async () => {
    const engine = await open();
    for (const operation of ['detach', 'end']) agent.answers[operation] = () => refusal('disconnected');
    const closing = engine.close();
    await clock.advance(12_000);
    await closing;
    expect(agent.subjects).toEqual([]);
  });

  test('the agent did not let go → it is asked again at the next attempt', async () => {
    const engine = await open();
    agent.answers.end = () => ({ epoch, chunksInUse: 1 });
    const closing = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
    await clock.advance(11_000);
    await closing;
    agent.answers.end = () => ({ epoch, chunksInUse: 0 });
    const asked = agent.bodiesOf('end').length;
    await engine.close();
    await engine.close();
    expect(agent.bodiesOf('end').length).toBe(asked + 1);
  });

  test('rejects when the agent does not let go', async () => {
    const engine = await open();
    agent.answers.detach = () => refusal('segment_in_use');
    agent.answers.end = () => ({ epoch, chunksInUse: 1 });
    const closing = expect(engine.close()).rejects.toMatchObject({ code: 'segment_in_use' });
    await clock.advance(11_000);
    await closing;
  });
});
