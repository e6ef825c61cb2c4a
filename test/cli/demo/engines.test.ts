/** The engines of the demo against a scripted agent: they must see what goes wrong, or the demo proves nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../../src/cli/demo/cluster.js';
import {
  closeEngines,
  compute,
  consume,
  type Engines,
  openEngines,
  unreleased,
} from '../../../src/cli/demo/engines.js';
import { fillPage, findMismatch } from '../../../src/cli/demo/pattern.js';
import { Violations } from '../../../src/cli/demo/violations.js';
import { DecodeEngine } from '../../../src/client/decode-engine.js';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import type { PrefillEngine } from '../../../src/client/prefill-engine.js';
import { Teardown } from '../../../src/processes/teardown.js';
import type { TerminalEvent } from '../../../src/protocol/events.js';
import { answerSessions, epoch, ScriptedAgent, TERMINALS, terminal } from '../../client/scripted-agent.js';

const PAGE_BYTES = 4096;

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

describe('the check of a decoded prompt', () => {
  const event = { v: 2, ...terminal('r') } as TerminalEvent;

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
      leaseMs: 60_000,
      keys,
      pages,
      generations: pages.map(() => 1),
      lengths: pages.map(() => length),
      missing: [],
    });
    agent.answers.release = () => ({ existed: keys.length, freedPages: keys.length });
  }

  const check = (keys: readonly string[]) => consume(new DecodeEngine({ agent: 'd', client }), event, keys, PAGE_BYTES);

  test('finds nothing wrong with right bytes, and releases them', async () => {
    grantPages(arenaOf('x', 'a', 'b'), ['a', 'b'], [1, 2]);
    expect(await check(['a', 'b'])).toEqual([]);
    expect(agent.operations).toEqual(['acquire', 'release']);
  });

  test.each([
    ['swapped pages', ['a', 'b'], [2, 1], PAGE_BYTES, [/^a: byte \d+ of page 2 is/, /^b: byte \d+ of page 1 is/]],
    ['a missing chunk', ['a'], [1], PAGE_BYTES, [/^b: missing$/]],
    ['a chunk too many', ['a', 'b', 'x'], [1, 2, 0], PAGE_BYTES, [/^x: not asked for$/]],
    ['a wrong length', ['a', 'b'], [1, 2], 64, [/^a: 64 bytes$/, /^b: 64 bytes$/]],
  ])('the decode engine sees %s', async (_, keys, pages, length, expected) => {
    grantPages(arenaOf('x', 'a', 'b'), keys, pages, length);
    expect(await check(['a', 'b'])).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });
});

describe('the engines of a cluster', () => {
  let teardown: Teardown;
  let engines: Engines;
  let engine: PrefillEngine;

  beforeEach(async () => {
    teardown = new Teardown();
    answerSessions(agent, () => epoch);
    agent.answers.attach = () => ({ bytes: 4 * PAGE_BYTES });
    agent.answers.put = () => ({ epoch });
    const cluster = { prefill: [{ agent: 'p' }], decode: { agent: 'd' } } as unknown as Cluster;
    const options = { run: 'run', directory, chunkBytes: PAGE_BYTES, slots: 4, patienceMs: 0 };
    engines = await openEngines(options, cluster, client, violations, teardown);
    engine = engines.prefill[0] as PrefillEngine;
  });
  afterEach(() => teardown.run((error) => Promise.reject(error)));

  test('fill their memory with the pattern of each key', async () => {
    await compute(engine, ['a', 'b'], PAGE_BYTES);
    const memory = readFileSync(join(directory, 'run-engine-1'));
    const scratch = Buffer.alloc(PAGE_BYTES);
    expect(findMismatch(memory.subarray(0, PAGE_BYTES), 'a', scratch)).toBeUndefined();
    expect(findMismatch(memory.subarray(PAGE_BYTES, 2 * PAGE_BYTES), 'b', scratch)).toBeUndefined();
  });

  test('see a second release, and count chunks that were not released', async () => {
    const chunks = await compute(engine, ['a', 'b', 'c', 'd'], PAGE_BYTES);
    await engine.put({ request: 'r', receiver: 'd', timeoutMs: 1000 }, chunks, 2);
    const release = (batch: number, positions: number[]) =>
      agent.emit('kvferry.v2.source.p.default', { request: 'r', epoch, batch, positions });
    release(0, [1]);
    release(1, [0]);
    expect(violations.list()).toEqual([]);
    release(0, [0, 1]);
    expect(violations.list()).toEqual(['source of r, batch 0, position 1 was released twice']);
    expect(await unreleased(engine, 0)).toBe(1);
    release(1, [1]);
    expect(await unreleased(engine, 0)).toBe(0);
  });

  test('see a second terminal event', async () => {
    const end = engines.ends.expect('r');
    agent.emit(TERMINALS, terminal('r'));
    agent.emit(TERMINALS, terminal('r', 'failed'));
    await end;
    expect(violations.list()).toEqual(['a second terminal event of r says failed']);
  });

  test('let go of the memory when they are closed', async () => {
    await closeEngines(engines);
    expect(agent.bodiesOf('detach')).toMatchObject([{ segment: 'run-engine-1' }]);
    expect(agent.bodiesOf('end')).toHaveLength(1);
    expect(agent.subjects).toEqual([]);
  });
});
