/** A decode engine: every page of the reply, the arena's bytes, and never a byte after the lease. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askEnd } from '../../src/client/ask-end.js';
import { DecodeEngine } from '../../src/client/decode-engine.js';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { ACQUIRE_KEYS_MAX } from '../../src/protocol/limits.js';
import { epoch, refusal, requestRow, ScriptedAgent, statusOf, successor } from './scripted-agent.js';

const PAGE_BYTES = 16;
const holder = { request: 'r', epoch };

let directory: string;
let agent: ScriptedAgent;
let clock: SimulatedClock;
let engine: DecodeEngine;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-decode-'));
  writeFileSync(
    join(directory, 'arena'),
    Buffer.concat([0, 1, 2, 3].map((page) => Buffer.alloc(PAGE_BYTES, page + 1))),
  );
  agent = new ScriptedAgent();
  clock = new SimulatedClock();
  engine = new DecodeEngine({ client: new KvferryClient(agent), agent: 'd', clock });
  agent.answers.release = () => ({ existed: 1, freedPages: 1 });
});
afterEach(() => rmSync(directory, { recursive: true }));

function found(pages: Readonly<Record<string, number>>, more: object = {}): object {
  const keys = Object.keys(pages);
  return {
    arena: { path: join(directory, 'arena'), epoch, pageBytes: PAGE_BYTES, pages: 4 },
    leaseMs: 1000,
    keys,
    pages: Object.values(pages),
    generations: keys.map(() => 1),
    lengths: keys.map(() => PAGE_BYTES - 4),
    missing: [],
    ...more,
  };
}

describe('a decode engine', () => {
  test('reads each chunk where it lies, and releases the request', async () => {
    agent.answers.acquire = () => found({ a: 2, b: 0 });
    const chunks = await engine.acquire(holder);
    expect([...chunks.places]).toEqual([
      ['a', { page: 2, offset: 2 * PAGE_BYTES, length: PAGE_BYTES - 4 }],
      ['b', { page: 0, offset: 0, length: PAGE_BYTES - 4 }],
    ]);
    expect(await chunks.read('a')).toEqual(new Uint8Array(PAGE_BYTES - 4).fill(3));
    const page = new Uint8Array(PAGE_BYTES);
    expect(await chunks.read('b', page)).toEqual(page.subarray(0, PAGE_BYTES - 4));
    expect([page[0], page[PAGE_BYTES - 1]]).toEqual([1, 0]);
    await chunks.release();
    expect(agent.bodiesOf('release')).toEqual([{ v: 2, ...holder }]);
  });

  test.each(['deadline_exceeded', 'disconnected', 'no_responders'] as const)(
    'no answer to acquire and release (%s) → both are repeated',
    async (code) => {
      let lost = 2;
      const answered = (answer: object) => () => {
        lost -= 1;
        if (lost >= 0) throw new KvferryError(code, 'no answer');
        return answer;
      };
      agent.answers.acquire = answered(found({ a: 0 }));
      const acquiring = engine.acquire(holder);
      await clock.advance(200);
      const chunks = await acquiring;
      lost = 2;
      agent.answers.release = answered({ existed: 1, freedPages: 1 });
      await chunks.close();
      const releasing = engine.release(holder);
      await clock.advance(200);
      await releasing;
      expect(agent.operations).toEqual(['acquire', 'acquire', 'acquire', 'release', 'release', 'release']);
    },
  );

  test('no answer for as long as the patience → the error of the last attempt', async () => {
    agent.answers.acquire = () => {
      throw new KvferryError('no_responders', 'the agent is away');
    };
    const acquiring = engine.acquire(holder);
    const refused = expect(acquiring).rejects.toMatchObject({ code: 'no_responders' });
    await clock.advance(10_100);
    await refused;
    expect(agent.operations.length).toBeGreaterThan(100);
  });

  test('asks for all pages of a long request', async () => {
    const replies = [found({ a: 0 }, { next: 1 }), found({ b: 1 }, { next: 2 }), found({ c: 2 })];
    agent.answers.acquire = () => replies.shift() as object;
    await using chunks = await engine.acquire(holder);
    expect([...chunks.places.keys()]).toEqual(['a', 'b', 'c']);
    expect(agent.bodiesOf('acquire')).toEqual([
      { v: 2, ...holder },
      { v: 2, ...holder, from: 1 },
      { v: 2, ...holder, from: 2 },
    ]);
  });

  test('asks for many keys in parts, and says which are missing', async () => {
    const keys = Array.from({ length: ACQUIRE_KEYS_MAX + 1 }, (_, index) => `k${index}`);
    agent.answers.acquire = (body) => found({}, { missing: (body as { keys: string[] }).keys });
    await using chunks = await engine.acquire(holder, keys);
    expect(chunks.missing).toEqual(keys);
    expect(agent.bodiesOf('acquire').map((body) => (body as { keys: string[] }).keys.length)).toEqual([
      ACQUIRE_KEYS_MAX,
      1,
    ]);
  });

  test('long keys → questions that fit, and each goes on where its answer ended', async () => {
    agent.messageBytesMax = 2048;
    const keys = ['a', 'b', 'c', 'd'].map((name) => name.padEnd(500, 'k'));
    agent.answers.acquire = (body) => {
      const { keys: asked, from = 0 } = body as { keys: string[]; from?: number };
      const next = from + 1 < asked.length ? { next: from + 1 } : {};
      return found({}, { missing: asked.slice(from, from + 1), ...next });
    };
    await using chunks = await engine.acquire(holder, keys);
    expect(chunks.missing).toEqual(keys);
    const asked = agent.bodiesOf('acquire') as { keys: string[]; from?: number }[];
    expect(asked.map(({ keys: named, from }) => [named.length, from])).toEqual([
      [3, undefined],
      [3, 1],
      [3, 2],
      [1, undefined],
    ]);
  });

  test('gives up a request whose agent is restarted between two answers', async () => {
    const arena = { path: join(directory, 'arena'), epoch: successor, pageBytes: PAGE_BYTES, pages: 4 };
    const replies = [found({ a: 0 }, { next: 1 }), found({ b: 1 }, { arena })];
    agent.answers.acquire = () => replies.shift() as object;
    await expect(engine.acquire(holder)).rejects.toMatchObject({ code: 'receiver_lost' });
  });

  test('gives up a request whose arena is gone', async () => {
    const arena = { path: join(directory, 'none'), epoch, pageBytes: PAGE_BYTES, pages: 4 };
    agent.answers.acquire = () => found({ a: 0 }, { arena });
    await expect(engine.acquire(holder)).rejects.toMatchObject({ code: 'receiver_lost' });
  });

  test('rejects bytes that were read after the end of the lease', async () => {
    agent.answers.acquire = () => found({ a: 0 });
    await using chunks = await engine.acquire(holder);
    expect([chunks.leaseEndsMs, chunks.isLeased]).toEqual([1000, true]);
    await clock.advance(1000);
    expect(chunks.isLeased).toBe(false);
    await expect(chunks.read('a')).rejects.toMatchObject({ code: 'request_ended' });
  });

  test('reads nothing that was not acquired, and nothing after the release', async () => {
    agent.answers.acquire = () => found({ a: 0 });
    const chunks = await engine.acquire(holder);
    await expect(chunks.read('b')).rejects.toMatchObject({ code: 'invalid_field', field: 'key' });
    await chunks.release();
    await expect(chunks.read('a')).rejects.toMatchObject({ code: 'request_ended' });
  });

  test.each(['unknown_request', 'request_ended'])('has released what the agent answers %s for', async (code) => {
    agent.answers.release = () => refusal(code);
    await engine.release(holder);
  });

  test('does not hide that a release failed', async () => {
    agent.answers.release = () => refusal('request_active');
    await expect(engine.release(holder)).rejects.toMatchObject({ code: 'request_active' });
  });
});

describe('asking for an end that was missed', () => {
  const asked = { request: 'r', epoch, sender: 'p', receiver: 'd' };
  const ask = (...statuses: object[]) => {
    agent.answers.status = () => statuses.shift() as object;
    return askEnd(new KvferryClient(agent), asked);
  };

  test.each([
    ['ready', 'the decode agent', [statusOf(epoch, { requests: [requestRow(epoch, { end: 'ready' })] })]],
    [
      'cancelled',
      'the prefill agent',
      [statusOf(successor), statusOf(epoch, { requests: [requestRow(epoch, { end: 'cancelled' })] })],
    ],
    ['lost', 'the restart of the prefill agent', [statusOf(successor), statusOf(successor)]],
  ])('the reader gives %s by %s', async (end, _, statuses) => {
    expect(await ask(...statuses)).toBe(end);
  });

  test.each([
    ['the prefill agent has it', [statusOf(successor), statusOf(epoch, { requests: [requestRow(epoch)] })]],
    ['the decode agent has it', [statusOf(successor, { requests: [requestRow(epoch)] }), statusOf(successor)]],
    ['another request has its id', [statusOf(successor), statusOf(epoch, { requests: [requestRow(successor)] })]],
  ])('gives no end while %s', async (_, statuses) => {
    expect(await ask(...statuses)).toBeUndefined();
  });
});

describe('a reply that does not fit together is refused', () => {
  test.each<[string, object, string]>([
    ['fewer lengths than keys', { lengths: [] }, 'pages'],
    ['a page beyond the arena', { pages: [4] }, 'pages[0]'],
    ['a chunk longer than a page', { lengths: [PAGE_BYTES + 1] }, 'pages[0]'],
    ['a next that does not advance', { next: 0 }, 'next'],
  ])('%s → inconsistent_reply', async (_, wrong, field) => {
    agent.answers.acquire = () => found({ a: 0 }, wrong);
    await expect(engine.acquire(holder)).rejects.toMatchObject({ code: 'inconsistent_reply', field });
  });

  test('a buffer that is too short for the chunk → refused', async () => {
    agent.answers.acquire = () => found({ a: 0 });
    const chunks = await engine.acquire(holder);
    await expect(chunks.read('a', new Uint8Array(1))).rejects.toMatchObject({ code: 'invalid_field', field: 'into' });
    await chunks.release();
  });
});

describe('an arena that is injected', () => {
  /** An engine whose arena calls `onRead`, and counts how often it was closed. */
  function injected(onRead: () => Promise<void>) {
    const counted = { closed: 0 };
    const close = async () => {
      counted.closed += 1;
    };
    const openArena = async () => ({ read: onRead, close });
    return { counted, engine: new DecodeEngine({ client: new KvferryClient(agent), agent: 'd', clock, openArena }) };
  }

  test('the lease ends while the bytes are read → they are not given out', async () => {
    agent.answers.acquire = () => found({ a: 0 });
    const chunks = await injected(() => clock.advance(1001)).engine.acquire(holder);
    await expect(chunks.read('a')).rejects.toMatchObject({ code: 'request_ended' });
  });

  test('release, and release again → the file is closed once', async () => {
    agent.answers.acquire = () => found({ a: 0 });
    const made = injected(async () => undefined);
    const chunks = await made.engine.acquire(holder);
    await chunks.release();
    await chunks.release();
    expect(made.counted.closed).toBe(1);
  });
});
