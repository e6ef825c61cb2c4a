/** The client's engines with shipped agents, on simulated ports: what real agents answer when messages are lost. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { AcquiredChunks } from '../../src/client/acquired-chunks.js';
import { askEnd } from '../../src/client/ask-end.js';
import { DecodeEngine } from '../../src/client/decode-engine.js';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { PrefillEngine } from '../../src/client/prefill-engine.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { type Cluster, PAGE_BYTES, patternOf, useCluster } from '../actors/support.js';

const SLOTS = 4;
const PATH = '/memory/engine';
const keys = ['a', 'b', 'c'];

const clusters = useCluster();
let cluster: Cluster;
let client: KvferryClient;

beforeEach(() => {
  cluster = clusters.create();
  client = new KvferryClient(cluster.network.connect('engine'), { timeoutMs: 1000 });
});

async function openPrefill(): Promise<PrefillEngine> {
  const bytes = new Uint8Array(SLOTS * PAGE_BYTES);
  cluster.fabrics.files.set(PATH, bytes);
  const memory = { path: PATH, bytes: bytes.length, write: (at: number, chunk: Uint8Array) => bytes.set(chunk, at) };
  const options = { agent: 'prefill-0', segment: 'engine', memory, slotBytes: PAGE_BYTES };
  return cluster.settle(PrefillEngine.open({ client, ...options, clock: cluster.clock }));
}

function decodeEngine(): DecodeEngine {
  const openArena = async (path: string) => {
    const memory = cluster.fabrics.files.get(path);
    if (memory === undefined) throw new KvferryError('receiver_lost', `there is no arena ${path}`);
    return {
      read: async (into: Uint8Array, offset: number) => into.set(memory.subarray(offset, offset + into.length)),
      close: async () => undefined,
    };
  };
  return new DecodeEngine({ client, agent: 'decode-0', clock: cluster.clock, openArena });
}

/** Loses the answers to the next `count` messages of that operation from the engine. */
function loseAnswers(operation: string, count: number): void {
  let left = count;
  cluster.network.fate = ({ to, kind, subject }) => {
    const isLost = left > 0 && kind === 'reply' && to === 'engine' && subject.endsWith(`.${operation}`);
    if (isLost) left -= 1;
    return { copies: isLost ? 0 : 1, delayMs: 0 };
  };
}

/** Keys whose bytes in the arena are not those of the source. */
async function wrongKeys(found: AcquiredChunks): Promise<string[]> {
  const wrong: string[] = [];
  for (const key of keys) if (!Buffer.from(patternOf(key)).equals(await found.read(key))) wrong.push(key);
  return wrong;
}

const filled = (engine: PrefillEngine, count = keys.length) =>
  cluster.settle(engine.fill(keys.slice(0, count).map((key) => ({ key, bytes: patternOf(key) }))));
const plan = { request: 'r', receiver: 'decode-0', timeoutMs: 30_000 };

describe('engines and agents', () => {
  test('move a prompt whose put and attach were answered in vain', async () => {
    await cluster.agent('decode-0', 'decode');
    const { epoch } = await cluster.agent('prefill-0', 'prefill');
    loseAnswers('attach', 1);
    const engine = await openPrefill();
    loseAnswers('put', 2);
    const outgoing = await cluster.settle(engine.put(plan, await filled(engine), 2));
    expect(outgoing.epoch).toBe(epoch);
    const { event } = await cluster.settle(outgoing.ready());
    expect(event).toMatchObject({ request: 'r', epoch, chunks: 3 });
    const found = await cluster.settle(decodeEngine().acquire(event));
    expect(await wrongKeys(found)).toEqual([]);
    await cluster.settle(found.release());
    expect((await cluster.status('decode-0')).pages).toMatchObject({ free: 8, ready: 0 });
    expect(engine.slots).toEqual({ total: SLOTS, free: SLOTS });
    await cluster.settle(engine.close());
    const { segments } = await cluster.status('prefill-0');
    expect(segments.map(({ segment }) => segment)).not.toContain('engine');
  });

  test('go on when the prefill agent was killed and started again', async () => {
    await cluster.agent('decode-0', 'decode');
    const killed = await cluster.agent('prefill-0', 'prefill');
    const engine = await openPrefill();
    const outgoing = engine.begin({ ...plan, totalChunks: 4 });
    await cluster.settle(outgoing.put(await filled(engine)));
    // By then the decode agent knows the request, and can announce its end.
    await cluster.clock.advance(500);
    cluster.kill(killed);
    const { epoch } = await cluster.agent('prefill-0', 'prefill');
    expect((await cluster.settle(outgoing.end())).event).toMatchObject({ end: 'failed', epoch: killed.epoch });
    await expect(cluster.settle(outgoing.put([]))).rejects.toMatchObject({ code: 'sender_lost' });
    const again = await cluster.settle(engine.put({ ...plan, request: 'again' }, await filled(engine)));
    const { event } = await cluster.settle(again.ready());
    expect(event.epoch).toBe(epoch);
  });

  test('take memory back though the events that release it were lost', async () => {
    await cluster.agent('decode-0', 'decode');
    await cluster.agent('prefill-0', 'prefill');
    const engine = await openPrefill();
    cluster.network.fate = ({ to, subject }) => ({
      copies: to === 'engine' && subject.startsWith('kvferry.v2.source.') ? 0 : 1,
      delayMs: 0,
    });
    const outgoing = await cluster.settle(engine.put(plan, await filled(engine)));
    await cluster.settle(outgoing.ready());
    expect(engine.slots.free).toBe(1);
    await filled(engine);
  });

  test('know the end of a request whose event was lost', async () => {
    await cluster.agent('decode-0', 'decode');
    await cluster.agent('prefill-0', 'prefill');
    const engine = await openPrefill();
    cluster.network.fate = ({ to, subject }) => ({
      copies: to === 'engine' && subject.startsWith('kvferry.v2.event.') ? 0 : 1,
      delayMs: 0,
    });
    const outgoing = await cluster.settle(engine.put(plan, await filled(engine)));
    await expect(cluster.settle(outgoing.end({ timeoutMs: 500 }))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const asked = { request: 'r', epoch: outgoing.epoch ?? '', sender: 'prefill-0', receiver: 'decode-0' };
    expect(await cluster.settle(askEnd(client, asked))).toBe('ready');
  });
});

describe('T22: an agent is rolled while its first process reads the memory of an engine', () => {
  /** A request of 3 chunks that waits for pages, the process that has it, and the next process, which serves. */
  async function rolled(interrupt: (first: Agent) => void = () => undefined) {
    await cluster.agent('decode-0', 'decode', { arena: { directory: '/memory', pages: 4, pageBytes: PAGE_BYTES } });
    const first = await cluster.agent('prefill-0', 'prefill', { shutdownTimeoutMs: 60_000 });
    const engine = await openPrefill();
    const filler = { ...plan, request: 'filler' };
    const fill = await cluster.settle(engine.fill([{ key: 'f', bytes: patternOf('f') }]));
    await cluster.settle((await cluster.settle(engine.put(filler, fill))).ready());
    const more = await cluster.settle(engine.fill([{ key: 'g', bytes: patternOf('g') }]));
    await cluster.settle((await cluster.settle(engine.put({ ...filler, request: 'more' }, more))).ready());
    const waiting = await cluster.settle(engine.put({ ...plan, timeoutMs: 60_000 }, await filled(engine)));
    await cluster.clock.advance(500);
    void first.stop();
    interrupt(first);
    const second = await cluster.agent('prefill-0', 'prefill', { shutdownTimeoutMs: 60_000 });
    const ends = () => cluster.terminals.filter(({ request }) => request === 'r').map(({ end }) => end);
    /** Overwrites every slot that the engine gets during `ms`. */
    const refill = async (ms: number) => {
      const stop = new AbortController();
      const filling = engine.fill(
        keys.map((key) => ({ key: `${key}-x`, bytes: patternOf(`${key}-x`) })),
        stop.signal,
      );
      filling.catch(() => undefined);
      await cluster.clock.advance(ms);
      stop.abort();
    };
    const freePages = async () => {
      const { epoch } = first;
      for (const request of ['filler', 'more']) await cluster.call('decode-0', 'release', { request, epoch });
    };
    return { first, second, engine, waiting, ends, refill, freePages };
  }

  test('T22: it drains → its memory stays lent, and its bytes are right', async () => {
    const { first, second, engine, waiting, refill, freePages } = await rolled();
    await refill(15_000);
    expect([first.state, second.state, engine.slots.free]).toEqual(['draining', 'running', 1]);
    await freePages();
    const { event } = await cluster.settle(waiting.ready());
    expect(await wrongKeys(await cluster.settle(decodeEngine().acquire(event)))).toEqual([]);
    await cluster.clock.advance(5000);
    expect([first.state, engine.slots.free]).toEqual(['stopped', SLOTS]);
  });

  test('T22: it is halted and goes on while it drains → its bytes are right', async () => {
    const { first, waiting, refill, freePages } = await rolled();
    cluster.halt(first);
    await refill(2000);
    cluster.goOn(first);
    await refill(5000);
    await freePages();
    const { event } = await cluster.settle(waiting.ready());
    expect(await wrongKeys(await cluster.settle(decodeEngine().acquire(event)))).toEqual([]);
  });

  test('T22: it is killed while it drains → memory comes back, nothing is ready', async () => {
    const { first, engine, ends, freePages } = await rolled();
    cluster.kill(first);
    await cluster.clock.advance(8000);
    expect(engine.slots.free).toBe(SLOTS);
    await freePages();
    await cluster.clock.advance(5000);
    expect(ends()).toEqual(['failed']);
  });

  test('T22: it is silent for as long as peers wait → none of its bytes becomes ready', async () => {
    const { first, ends, refill, freePages } = await rolled();
    cluster.halt(first);
    await refill(8000);
    cluster.goOn(first);
    await freePages();
    await cluster.clock.advance(20_000);
    expect(ends()).toEqual(['failed']);
  });

  test('T22: it is halted while the next one starts → its bytes are right', async () => {
    const { waiting, refill, freePages } = await rolled((process) => {
      cluster.halt(process);
      cluster.clock.setTimeout(() => cluster.goOn(process), 1500);
    });
    await refill(5000);
    await freePages();
    const { event } = await cluster.settle(waiting.ready());
    expect(await wrongKeys(await cluster.settle(decodeEngine().acquire(event)))).toEqual([]);
  });
});
