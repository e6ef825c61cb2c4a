/** Recordings of real agents, which replay without any divergence. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Replay } from '../../src/observe/replay/replay.js';
import { missing, providerMissing, RealCluster } from './support.js';

const keys = ['k0', 'k1', 'k2', 'k3'];
const PERMISSIONS = 0o777;

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'kvferry-recorded-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function findingsOf(path: string) {
  const replay = await Replay.open(path);
  await replay.goTo(replay.last);
  return { end: replay.recording.end, ...replay.findings };
}

const nothing = { divergences: [], violations: [], skipped: 0, ownTimers: 0 };

describe.skipIf(missing !== undefined)(
  `recorded agents${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    test.skipIf(providerMissing('same-host') !== undefined)(
      'killed: the recording replays up to there, and no key to memory is in it',
      async () => {
        await using cluster = await RealCluster.start();
        const files = directory();
        const fileOf = (name: string) => join(files, `${name}.jsonl`);
        const recorded = (name: string) => ['--record', fileOf(name)];
        const [decode, prefill] = await Promise.all([
          cluster.agent('decode-0', 'decode', 'same-host', { args: recorded('decode-0') }),
          cluster.agent('prefill-0', 'prefill', 'same-host', { args: recorded('prefill-0') }),
        ]);
        await cluster.segment('prefill-0', keys);
        for (const request of ['r1', 'r2', 'r3']) {
          const { epoch } = await cluster.put('prefill-0', request, keys);
          expect(await cluster.ended(request)).toMatchObject({ end: 'ready' });
          const acquired = await cluster.client.acquire('decode-0', { request, epoch });
          expect(cluster.wrongPages(acquired)).toEqual([]);
          await cluster.client.release('decode-0', { request, epoch });
        }
        const announced = () =>
          readFileSync(fileOf('decode-0'), 'utf8').split('.event.decode-0.default.ready').length - 1;
        await cluster.statusWhen('decode-0', () => announced() === 3);
        await decode.end('SIGKILL');
        await prefill.end('SIGKILL');
        const { end, ...receiver } = await findingsOf(fileOf('decode-0'));
        expect(end).toBeUndefined();
        expect(receiver).toMatchObject({ ...nothing, requests: { received: { ready: 3 }, sent: {} } });
        expect(await findingsOf(fileOf('prefill-0'))).toMatchObject(nothing);
        for (const name of ['decode-0', 'prefill-0']) {
          expect(statSync(fileOf(name)).mode & PERMISSIONS).toBe(0o600);
          const recorded = readFileSync(fileOf(name), 'utf8');
          expect(recorded).toMatch(/sealed\W+[\w-]{43}\.[\w-]+/);
          expect(recorded).not.toContain('token');
        }
      },
    );

    test('told to stop: the recording is whole', async () => {
      await using cluster = await RealCluster.start();
      const path = join(directory(), 'decode-{epoch}.jsonl');
      const [decode] = await Promise.all([
        cluster.agent('decode-0', 'decode', undefined, { args: ['--record', path] }),
        cluster.agent('prefill-0', 'prefill'),
      ]);
      const { epoch: own } = await cluster.client.describe('decode-0');
      await cluster.segment('prefill-0', keys);
      const { epoch } = await cluster.put('prefill-0', 'r1', keys);
      await cluster.ended('r1');
      await cluster.client.release('decode-0', { request: 'r1', epoch });
      expect(await decode.end('SIGTERM')).toBe(0);
      expect(await findingsOf(path.replace('{epoch}', own))).toMatchObject({
        ...nothing,
        end: 'stopped',
        requests: { received: { ready: 1 }, sent: {} },
      });
    });

    test('a recording that becomes too large ends, and the agent goes on', async () => {
      await using cluster = await RealCluster.start();
      const path = join(directory(), 'decode.jsonl');
      const args = ['--record', path, '--record-bytes-max', '64KiB'];
      const [decode] = await Promise.all([
        cluster.agent('decode-0', 'decode', undefined, { args }),
        cluster.agent('prefill-0', 'prefill'),
      ]);
      await cluster.segment('prefill-0', keys);
      for (let count = 0; !decode.log.some((line) => line.includes('recording ended')); count += 1) {
        const { epoch } = await cluster.put('prefill-0', `r${count}`, keys);
        await cluster.ended(`r${count}`);
        await cluster.client.release('decode-0', { request: `r${count}`, epoch });
      }
      expect((await cluster.client.status('decode-0')).state).toBe('running');
      expect(await decode.end('SIGTERM')).toBe(0);
      expect(await findingsOf(path)).toMatchObject({ ...nothing, end: 'size' });
    });
  },
);
