/** An engine gives up a put that a stopped agent has not read yet, and uses its memory for another prompt. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { fillPage } from '../../src/cli/demo/pattern.js';
import { PrefillEngine } from '../../src/client/prefill-engine.js';
import { SharedFile } from '../../src/client/shared-file.js';
import { poll } from '../../src/processes/within.js';
import { missing, PAGE_BYTES, RealCluster } from './support.js';

const STOPPED_MS = 2500;
const READER = { request: 'reader', epoch: '00000000000000aa' };

function patternOf(key: string): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  fillPage(page, key);
  return page;
}

describe.skipIf(missing !== undefined)(`a stale put${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test('T17: in a session → its memory comes back when no agent will read it', async () => {
    await using cluster = await RealCluster.start();
    const [, prefill] = await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    const { client } = cluster;
    const memory = await SharedFile.create(`/dev/shm/kvferry-stale-${process.pid}`, PAGE_BYTES);
    try {
      const options = { client, agent: 'prefill-0', segment: 'stale', memory, slotBytes: PAGE_BYTES };
      const engine = await PrefillEngine.open({ ...options, patienceMs: 0, callTimeoutMs: 500 });
      const fill = (key: string) => engine.fill([{ key, bytes: patternOf(key) }]);
      const plan = { receiver: 'decode-0', timeoutMs: 60_000 };
      const chunks = await fill('a');
      prefill?.signal('SIGSTOP');
      await expect(engine.put({ ...plan, request: 'a' }, chunks)).rejects.toMatchObject({ code: 'deadline_exceeded' });
      expect(engine.slots.free).toBe(0);
      const next = fill('b');
      await delay(STOPPED_MS);
      prefill?.signal('SIGCONT');
      // The only slot comes back when the agent will not read it any more.
      const outgoing = await engine.put({ ...plan, request: 'b' }, await next);
      expect((await outgoing.end()).event.end).toBe('ready');
      const acquired = await client.acquire('decode-0', { ...READER, keys: ['a', 'b'] });
      expect([acquired.keys.includes('b'), cluster.wrongPages(acquired)]).toEqual([true, []]);
      await engine.close();
    } finally {
      await memory.close();
      await memory.unlink();
    }
  });

  test('T17: outside a session → refused with agent_paused, and never executed', async () => {
    await using cluster = await RealCluster.start();
    const [, prefill] = await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
    const { client } = cluster;
    const path = await cluster.segment('prefill-0', ['a']);
    const source = [{ segment: 'engine', offset: 0, length: PAGE_BYTES }];
    const common = { receiver: 'decode-0', batch: 0, last: true, totalChunks: 1, timeoutMs: 60_000, source };
    prefill?.signal('SIGSTOP');
    const put = client.put('prefill-0', { ...common, request: 'a', keys: ['a'] }, { timeoutMs: 1000 });
    await expect(put).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const file = openSync(path, 'r+');
    writeSync(file, patternOf('b'), 0, PAGE_BYTES, 0);
    closeSync(file);
    await delay(STOPPED_MS);
    prefill?.signal('SIGCONT');
    // The agent refuses puts until NATS has answered it.
    await poll(60_000, () => client.put('prefill-0', { ...common, request: 'b', keys: ['b'] }).catch(() => undefined));
    const { epoch } = await cluster.ended('b');
    const acquired = await client.acquire('decode-0', { request: 'b', epoch, keys: ['a', 'b'] });
    expect([acquired.keys, acquired.missing, cluster.wrongPages(acquired)]).toEqual([['b'], ['a'], []]);
    const { counters } = await client.status('prefill-0');
    expect([counters['requests_accepted'], (counters['errors_agent_paused'] ?? 0) > 0]).toEqual([1, true]);
  });
});
