/** A prefill agent is rolled while a request of its engine waits for pages: its first process reads the engine's memory later. */
import { describe, expect, test } from 'vitest';
import { fillPage } from '../../src/cli/demo/pattern.js';
import { PrefillEngine } from '../../src/client/prefill-engine.js';
import { SharedFile } from '../../src/client/shared-file.js';
import { missing, PAGE_BYTES, RealCluster } from './support.js';

const SLOTS = 4;
const READER = { request: 'reader', epoch: '00000000000000aa' };
/** The process may drain for so long. */
const DRAIN = { args: ['--shutdown-timeout-ms', '60s'] };
/** Longer than three heartbeats, after which a process that hears no other one is alone. */
const LONG_MS = 4000;

function chunk(key: string) {
  const bytes = Buffer.alloc(PAGE_BYTES);
  fillPage(bytes, key);
  return { key, bytes };
}

/** Runs `work` with an engine whose request `waiting` (chunks a and b) waits for pages at an agent that has just been rolled. */
async function rolled(
  work: (world: {
    readonly cluster: RealCluster;
    readonly engine: PrefillEngine;
    /** Kills the first process, which drains. */
    readonly kill: () => Promise<unknown>;
    /** Gives the pages back for which the request waits. */
    readonly freePages: () => Promise<unknown>;
  }) => Promise<void>,
): Promise<void> {
  await using cluster = await RealCluster.start();
  const { client } = cluster;
  const [, first] = await Promise.all([
    cluster.agent('decode-0', 'decode', 'same-host', { args: ['--arena-pages', '2'] }),
    cluster.agent('prefill-0', 'prefill', 'same-host', DRAIN),
  ]);
  const memory = await SharedFile.create(`/dev/shm/kvferry-rolled-${process.pid}`, SLOTS * PAGE_BYTES);
  try {
    const options = { client, agent: 'prefill-0', segment: 's', memory, slotBytes: PAGE_BYTES };
    const engine = await PrefillEngine.open(options);
    const plan = { receiver: 'decode-0', timeoutMs: 60_000 };
    const full = await engine.put({ ...plan, request: 'full' }, await engine.fill(['f', 'g'].map(chunk)));
    const { event } = await full.ready();
    await engine.put({ ...plan, request: 'waiting' }, await engine.fill(['a', 'b'].map(chunk)));
    await cluster.statusWhen('decode-0', ({ queued }) => queued === 1);
    const ended = first?.end('SIGTERM');
    await cluster.agent('prefill-0', 'prefill', 'same-host', DRAIN);
    const kill = async () => Promise.all([first?.end('SIGKILL'), ended]);
    const freePages = () => client.release('decode-0', { request: 'full', epoch: event.epoch });
    await work({ cluster, engine, kill, freePages });
  } finally {
    await memory.close();
    await memory.unlink();
  }
}

describe.skipIf(missing !== undefined)(`a rolled agent${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test('T22: its first process drains → the engine refills no slot that this reads', async () => {
    await rolled(async ({ cluster, engine, freePages }) => {
      // The engine fills each slot that comes back.
      await engine.fill(['x', 'y'].map(chunk));
      const refilled = engine.fill(['z', 'w'].map(chunk));
      await cluster.statusWhen('prefill-0', ({ uptimeMs }) => uptimeMs > LONG_MS);
      await freePages();
      expect((await cluster.ended('waiting')).end).toBe('ready');
      const acquired = await cluster.client.acquire('decode-0', { ...READER, keys: ['a', 'b'] });
      expect([[...acquired.keys].sort(), cluster.wrongPages(acquired)]).toEqual([['a', 'b'], []]);
      expect((await refilled).length).toBe(2);
    });
  });

  test('T22: its first process is killed → the slots come back, nothing is ready', async () => {
    await rolled(async ({ cluster, engine, kill, freePages }) => {
      await kill();
      expect((await engine.fill(['w', 'x', 'y', 'z'].map(chunk))).length).toBe(SLOTS);
      await freePages();
      expect((await cluster.ended('waiting')).end).toBe('failed');
    });
  });
});
