import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { RecordingSource } from '../../../src/cli/inspect/recording-source.js';
import type { ClusterView } from '../../../src/observe/inspector/feed.js';
import { recordingFile } from '../../observe/replay/support.js';

const RECORDINGS = join(import.meta.dirname, '../../observe/replay/recordings');
const STARTED_MS = Date.parse('2026-01-01T00:00:00.000Z');
/** Of the two requests: that of the writer which is killed, and the one which takes over. */
const [WRITER, HEIR] = ['0000000000000002', '0000000000000003'];

/** A decode agent; the prefill agent that writes for two requests is killed, and the other one takes over. */
async function open(name = 'writer-killed.decode-0.jsonl'): Promise<RecordingSource> {
  const source = await RecordingSource.open(join(RECORDINGS, name));
  onTestFinished(() => source.close());
  await source.ready();
  return source;
}

const newest = (source: RecordingSource) => source.history.cluster() as ClusterView;

describe('a recording', () => {
  test('is shown as the agent that recorded it, in the time when that was', async () => {
    const { source: shown, agents, timeMs } = newest(await open());
    expect(shown).toEqual({
      kind: 'recording',
      name: 'writer-killed.decode-0.jsonl',
      state: 'connected',
      fromMs: STARTED_MS,
      toMs: timeMs,
      oneIn: 1,
      missed: 0,
      faultsAllowed: false,
    });
    expect(timeMs).toBeGreaterThan(STARTED_MS + 2750);
    expect(agents).toMatchObject([
      { agent: 'decode-0', description: { role: 'decode' }, status: { state: 'running' } },
    ]);
  });

  test('has its requests, their ends and why', async () => {
    const source = await open();
    expect(source.history.requests({}, 10)).toMatchObject([
      { request: 'a', epoch: WRITER, end: 'failed', reason: { code: 'sender_lost' }, batches: 1, chunks: 2 },
      { request: 'b', epoch: HEIR, end: 'ready', joined: 2, handedOver: 2 },
    ]);
    const entries = source.history.entries({ request: 'b', epoch: HEIR }, 100);
    expect(entries.map(({ entry }) => (entry.kind === 'store' ? entry.action : []))).toEqual(
      expect.arrayContaining(['joined', 'handed-over', 'committed', 'ended']),
    );
  });

  test('a recording answers inspect at any step, forwards and backwards', async () => {
    const source = await open();
    const ingestOf = async (atMs: number) => {
      const rows = await source.actors({ request: 'a', machine: 'ingest' }, STARTED_MS + atMs);
      return rows.map(({ state, waiting, context }) => [state, waiting?.text, context['end']]);
    };
    const waiting = ['running.receiving', 'prefill-0 to write 2 chunks', null];
    expect(await ingestOf(2100)).toEqual([waiting]);
    expect(await ingestOf(5000)).toEqual([]);
    expect(await Promise.all([ingestOf(100), ingestOf(9000), ingestOf(2100)])).toEqual([[waiting], [], [waiting]]);
    expect(await source.actors({}, STARTED_MS - 1)).toEqual([]);
  });

  test('explains what was, when it was', async () => {
    const source = await open();
    const explain = (atMs?: number) => source.explain({ about: 'request', name: 'a' }, atMs);
    expect(await explain(STARTED_MS + 2100)).toMatchObject([{ agent: 'decode-0', state: 'running.receiving' }]);
    expect(await explain()).toMatchObject([{ state: 'ended failed' }]);
    expect(await source.explain({ about: 'request', name: 'a', agent: 'other' })).toEqual([]);
    await expect(source.explain({ about: 'page', name: 'first' })).rejects.toMatchObject({ code: 'invalid_field' });
  });

  test('shows pages as they were', async () => {
    const source = await open();
    const pagesAt = (atMs: number) => source.history.cluster(STARTED_MS + atMs)?.agents[0]?.pages;
    expect(pagesAt(2100)).toBe('w2r1f5');
    expect(pagesAt(9999)).toBe('f8');
  });

  test('of a prefill agent has the other side of the requests', async () => {
    const source = await open('writer-killed.prefill-1.jsonl');
    expect(source.history.requests({}, 10)).toMatchObject([
      { request: 'b', sender: 'prefill-1', receiver: 'decode-0' },
    ]);
    expect(newest(source).agents).toMatchObject([{ agent: 'prefill-1', description: { role: 'prefill' } }]);
  });

  test('that is none is refused', async () => {
    await expect(RecordingSource.open(recordingFile('{}\n'))).rejects.toMatchObject({ code: 'invalid_configuration' });
  });
});
