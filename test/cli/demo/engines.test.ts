/** The engines of the demo against a scripted agent: they must see what goes wrong, or the demo proves nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DecodeEngine } from '../../../src/cli/demo/decode-engine.js';
import { fillPage, findMismatch } from '../../../src/cli/demo/pattern.js';
import { PrefillEngine } from '../../../src/cli/demo/prefill-engine.js';
import { Router } from '../../../src/cli/demo/router.js';
import { SourceSegment } from '../../../src/cli/demo/source-segment.js';
import { Violations } from '../../../src/cli/demo/violations.js';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { ControlMessage, ControlPort } from '../../../src/ports/control.js';
import type { TerminalEvent } from '../../../src/protocol/events.js';
import type { PutRequest } from '../../../src/protocol/operations.js';
import { operationOf } from '../../../src/protocol/subjects.js';

const PAGE_BYTES = 4096;
const epoch = '00000000000000aa';

/** Answers every operation from a table and lets a test publish events. */
class ScriptedAgent implements ControlPort {
  readonly asked: { readonly operation: string; readonly body: object }[] = [];
  readonly answers: Record<string, () => object> = {};
  readonly #handlers = new Map<string, (message: ControlMessage) => void>();

  async request(subject: string, text: string): Promise<string> {
    const operation = operationOf(subject);
    this.asked.push({ operation, body: JSON.parse(text) });
    return JSON.stringify({ v: 1, ok: true, ...this.answers[operation]?.() });
  }

  emit(subject: string, body: object): void {
    this.#handlers.get(subject)?.({ subject, body: JSON.stringify({ v: 1, ...body }), respond: () => undefined });
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void) {
    this.#handlers.set(subject, handler);
    return { close: () => this.#handlers.delete(subject) };
  }

  requestAll = async () => [];
  publish = () => undefined;
  onStatus = () => undefined;
  flush = async () => undefined;
  close = async () => undefined;
}

let directory: string;
let agent: ScriptedAgent;
let client: KvferryClient;
let violations: Violations;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-engines-'));
  agent = new ScriptedAgent();
  client = new KvferryClient(agent);
  violations = new Violations();
});
afterEach(() => rmSync(directory, { recursive: true }));

function terminalEvent(request: string, end: TerminalEvent['end'] = 'ready'): TerminalEvent {
  const counts = { chunks: 2, deduplicated: 0, joined: 0, bytes: 0, ageMs: 1 };
  return { v: 1, request, epoch, end, sender: 'p', receiver: 'd', ...counts };
}

describe('the decode engine', () => {
  const event = terminalEvent('r');

  /** An arena whose pages hold the patterns of the given keys. */
  function arenaOf(...keys: string[]): string {
    const path = join(directory, 'arena');
    const arena = Buffer.alloc(keys.length * PAGE_BYTES);
    for (const [page, key] of keys.entries()) fillPage(arena.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), key);
    writeFileSync(path, arena);
    return path;
  }

  function grantPages(path: string, keys: readonly string[], pages: readonly number[], length = PAGE_BYTES): void {
    agent.answers.acquire = () => ({
      arena: { path, epoch, pageBytes: PAGE_BYTES, pages: 4 },
      leaseMs: 1000,
      keys,
      pages,
      generations: pages.map(() => 1),
      lengths: pages.map(() => length),
      missing: [],
    });
    agent.answers.release = () => ({ existed: keys.length, freedPages: keys.length });
  }

  async function consume(keys: readonly string[]): Promise<readonly string[]> {
    const engine = new DecodeEngine({ agent: 'd', client, chunkBytes: PAGE_BYTES });
    const { mismatches } = await engine.consume(event, keys);
    await engine.close();
    return mismatches;
  }

  test('finds nothing wrong with what is right, and releases it', async () => {
    grantPages(arenaOf('x', 'a', 'b'), ['a', 'b'], [1, 2]);
    expect(await consume(['a', 'b'])).toEqual([]);
    expect(agent.asked.map(({ operation }) => operation)).toEqual(['acquire', 'release']);
  });

  test.each([
    ['swapped pages', ['a', 'b'], [2, 1], PAGE_BYTES, [/^a: byte \d+ of page 2 is/, /^b: byte \d+ of page 1 is/]],
    ['a missing chunk', ['a'], [1], PAGE_BYTES, [/^b: missing$/]],
    ['a chunk too many', ['a', 'b', 'x'], [1, 2, 0], PAGE_BYTES, [/^x: not asked for$/]],
    ['a wrong length', ['a', 'b'], [1, 2], 64, [/^a: 64 bytes$/, /^b: 64 bytes$/]],
  ])('the decode engine sees %s', async (_, keys, pages, length, expected) => {
    grantPages(arenaOf('x', 'a', 'b'), keys, pages, length);
    expect(await consume(['a', 'b'])).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });
});

describe('the decode engine of a demo that allows faults', () => {
  const grant = (path: string) => {
    agent.answers.acquire = () => ({
      ...{ arena: { path, epoch, pageBytes: PAGE_BYTES, pages: 4 }, leaseMs: 1000, missing: [] },
      ...{ keys: ['a'], pages: [0], generations: [1], lengths: [PAGE_BYTES] },
    });
    agent.answers.release = () => ({ existed: 1, freedPages: 1 });
  };

  test('reads the arena of the agent that was started again', async () => {
    const page = Buffer.alloc(PAGE_BYTES);
    const engine = new DecodeEngine({ agent: 'd', client, chunkBytes: PAGE_BYTES });
    for (const [name, key] of [
      ['former', 'x'],
      ['successor', 'a'],
    ] as const) {
      fillPage(page, key);
      writeFileSync(join(directory, name), page);
    }
    grant(join(directory, 'former'));
    expect((await engine.consume(terminalEvent('r'), ['a'])).mismatches).toHaveLength(1);
    grant(join(directory, 'successor'));
    expect((await engine.consume(terminalEvent('r'), ['a'])).mismatches).toEqual([]);
    await engine.close();
  });

  test('gives up a request whose arena is gone', async () => {
    const engine = new DecodeEngine({ agent: 'd', client, chunkBytes: PAGE_BYTES });
    grant(join(directory, 'none'));
    await expect(engine.consume(terminalEvent('r'), ['a'])).rejects.toMatchObject({ code: 'receiver_lost' });
    await engine.close();
  });
});

describe('the prefill engine', () => {
  let segment: SourceSegment;
  let engine: PrefillEngine;

  beforeEach(async () => {
    agent.answers.attach = () => ({ bytes: 4 * PAGE_BYTES });
    agent.answers.put = () => ({ epoch });
    segment = await SourceSegment.create(join(directory, 'segment'), 4, PAGE_BYTES);
    engine = new PrefillEngine({ agent: 'p', client, segment, segmentName: 's', violations });
    await engine.open();
  });
  afterEach(() => segment.close());

  const sending = { request: 'r', receiver: 'd', chunkBytes: PAGE_BYTES, timeoutMs: 1000, chunksPerBatch: 2 };

  test('hands over batches of what it computed, and says which is the last', async () => {
    const keys = ['a', 'b', 'c'];
    await engine.send({ ...sending, keys }, await engine.compute(keys, PAGE_BYTES));
    const puts = agent.asked.filter(({ operation }) => operation === 'put').map(({ body }) => body as PutRequest);
    const common = { v: 1, request: 'r', receiver: 'd', totalChunks: 3, timeoutMs: 1000 };
    const run = { segment: 's', length: PAGE_BYTES, stride: PAGE_BYTES };
    expect(puts).toEqual([
      { ...common, batch: 0, last: false, keys: ['a', 'b'], source: [{ ...run, offset: 0, count: 2 }] },
      { ...common, batch: 1, last: true, keys: ['c'], source: [{ ...run, offset: 2 * PAGE_BYTES, count: 1 }] },
    ]);
  });

  test('fills its memory with the pattern of each key', async () => {
    await engine.compute(['a', 'b'], PAGE_BYTES);
    const memory = readFileSync(segment.path);
    const scratch = Buffer.alloc(PAGE_BYTES);
    expect(findMismatch(memory.subarray(0, PAGE_BYTES), 'a', scratch)).toBeUndefined();
    expect(findMismatch(memory.subarray(PAGE_BYTES, 2 * PAGE_BYTES), 'b', scratch)).toBeUndefined();
  });

  test('uses memory again only when it was released, and sees a second release', async () => {
    const keys = ['a', 'b', 'c', 'd'];
    await engine.send({ ...sending, keys }, await engine.compute(keys, PAGE_BYTES));
    const next = engine.compute(['e', 'f'], PAGE_BYTES);
    expect(segment.freeSlots).toBe(0);
    const release = (batch: number, positions: number[]) =>
      agent.emit('kvferry.v1.source.p', { request: 'r', epoch, batch, positions });
    release(0, [1]);
    expect(segment.freeSlots).toBe(1);
    release(1, [0]);
    expect(await next).toEqual([1, 2]);
    expect(violations.list()).toEqual([]);
    release(0, [0, 1]);
    expect(violations.list()).toEqual(['source of r, batch 0, position 1 was released twice']);
    expect(segment.freeSlots).toBe(1);
    release(1, [1]);
    agent.emit('kvferry.v1.source.p', { request: 'another', epoch, batch: 0, positions: [0] });
    expect(segment.freeSlots).toBe(2);
    expect(await engine.unreleased(0)).toBe(2);
  });

  test('takes back the memory of batches that the agent refused', async () => {
    agent.answers.put = () => ({ ok: false, error: { code: 'unknown_receiver', message: 'no agent d answers' } });
    const keys = ['a', 'b', 'c'];
    const slots = await engine.compute(keys, PAGE_BYTES);
    await expect(engine.send({ ...sending, keys }, slots)).rejects.toMatchObject({ code: 'unknown_receiver' });
    expect(segment.freeSlots).toBe(4);
  });
});

describe('the prefill engine of a demo that allows faults', () => {
  const refusal = (code: string) => ({ ok: false, error: { code, message: code } });
  const sending = { request: 'r', receiver: 'd', chunkBytes: PAGE_BYTES, timeoutMs: 1000 };

  async function withEngine(work: (engine: PrefillEngine) => Promise<void>): Promise<void> {
    agent.answers.attach = () => ({ bytes: 4 * PAGE_BYTES });
    agent.answers.put = () => ({ epoch });
    const segment = await SourceSegment.create(join(directory, 'segment'), 4, PAGE_BYTES);
    const options = { agent: 'p', client, segment, segmentName: 's', violations, patienceMs: 10_000 };
    const engine = new PrefillEngine(options);
    await engine.open();
    await work(engine);
    await engine.close();
    await segment.close();
  }

  function describedAs(running: string): void {
    const about = { agent: 'p', epoch: running, role: 'prefill', state: 'running', version: '1', heartbeatMs: 1000 };
    agent.answers.describe = () => ({ ...about, endpoints: [], unavailable: [] });
  }

  test('waits for an agent that is away', () =>
    withEngine(async (engine) => {
      describedAs(epoch);
      const answers = [refusal('no_responders'), refusal('unknown_receiver')];
      agent.answers.put = () => answers.shift() ?? { epoch };
      await engine.send({ ...sending, keys: ['a'] }, await engine.compute(['a'], PAGE_BYTES));
      expect(agent.asked.filter(({ operation }) => operation === 'put')).toHaveLength(3);
    }));

  test('its agent restarts → memory comes back, also to a waiting put, attached again', () =>
    withEngine(async (engine) => {
      describedAs(epoch);
      await engine.send({ ...sending, keys: ['a', 'b'] }, await engine.compute(['a', 'b'], PAGE_BYTES));
      const successor = '00000000000000bb';
      describedAs(successor);
      let isAttached = false;
      agent.answers.attach = () => {
        isAttached = true;
        return { bytes: 4 * PAGE_BYTES };
      };
      agent.answers.put = () => (isAttached ? { epoch: successor } : refusal('segment_not_found'));
      const keys = ['c', 'd', 'e', 'f'];
      await engine.send({ ...sending, request: 'next', keys }, await engine.compute(keys, PAGE_BYTES));
      expect(isAttached).toBe(true);
    }));

  test('closes at an agent that was started again and does not know its memory yet', () =>
    withEngine(async (engine) => {
      await engine.send({ ...sending, keys: ['a'] }, await engine.compute(['a'], PAGE_BYTES));
      describedAs('00000000000000bb');
      agent.answers.detach = () => refusal('segment_not_found');
      expect(await engine.unreleased(10_000)).toBe(0);
    }));
});

describe('the router', () => {
  const subject = 'kvferry.v1.event.>';

  test('hears the end of a request', async () => {
    const router = new Router(client, violations);
    const ending = router.expect('r');
    agent.emit(subject, terminalEvent('other'));
    agent.emit(subject, terminalEvent('r', 'expired'));
    expect((await ending).event.end).toBe('expired');
    expect(violations.list()).toEqual([]);
  });

  test('sees a second terminal event', async () => {
    const router = new Router(client, violations);
    const ending = router.expect('r');
    agent.emit(subject, terminalEvent('r'));
    agent.emit(subject, terminalEvent('r', 'failed'));
    await ending;
    expect(violations.list()).toEqual(['a second terminal event of r says failed']);
  });
});

describe('the memory of an engine', () => {
  test('is given out in order, to the one who asked first', async () => {
    const segment = await SourceSegment.create(join(directory, 'segment'), 4, PAGE_BYTES);
    const order: string[] = [];
    await segment.take(3);
    const large = segment.take(3).then(() => order.push('large'));
    const small = segment.take(1).then(() => order.push('small'));
    segment.give([0]);
    segment.give([1, 2]);
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
    expect(segment.freeSlots).toBe(0);
    await segment.close();
  });

  test('is named in runs of neighbours', async () => {
    const segment = await SourceSegment.create(join(directory, 'segment'), 8, PAGE_BYTES);
    expect(segment.runs('s', [0, 1, 3, 4, 5, 7], 64)).toEqual([
      { segment: 's', offset: 0, length: 64, count: 2, stride: PAGE_BYTES },
      { segment: 's', offset: 3 * PAGE_BYTES, length: 64, count: 3, stride: PAGE_BYTES },
      { segment: 's', offset: 7 * PAGE_BYTES, length: 64, count: 1, stride: PAGE_BYTES },
    ]);
    await segment.close();
  });
});
