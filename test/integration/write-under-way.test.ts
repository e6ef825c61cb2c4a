import { describe, expect, test } from 'vitest';
import { missing, PAGE_BYTES, providerMissing, RealCluster } from './support.js';

/** Delay of a write, or of the report of its end. */
const HELD_MS = 1000;
const keys = ['k0', 'k1', 'k2', 'k3'];

describe.skipIf(missing !== undefined)(
  `a write under way${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    describe.each(['same-host', 'tcp'] as const)('over %s', (provider) => {
      test.skipIf(providerMissing(provider) !== undefined)(
        'T1, P1: a shared chunk is being written → the request is not ready before it',
        async () => {
          await using cluster = await RealCluster.start();
          await Promise.all([
            cluster.agent('decode-0', 'decode', provider),
            cluster.agent('prefill-0', 'prefill', provider, { failpoints: `write.starting=delay:${HELD_MS}` }),
            cluster.agent('prefill-1', 'prefill', provider),
          ]);
          await cluster.segment('prefill-0', keys);
          await cluster.segment('prefill-1', keys);
          const putMs = performance.now();
          const a = await cluster.put('prefill-0', 'a', keys);
          await cluster.statusWhen('decode-0', ({ pages }) => pages?.writing === keys.length);
          const { epoch } = await cluster.put('prefill-1', 'b', keys);
          const joined = await cluster.statusWhen('decode-0', ({ requests }) =>
            requests.some((row) => row.request === 'b' && row.state === 'running.receiving'),
          );
          expect(joined.pages).toMatchObject({ writing: keys.length, ready: 0 });
          expect(cluster.terminals).toEqual([]);
          expect(await cluster.ended('b')).toMatchObject({ end: 'ready', deduplicated: 4, joined: 4, bytes: 0 });
          expect(performance.now() - putMs).toBeGreaterThanOrEqual(HELD_MS);
          expect(await cluster.ended('a')).toMatchObject({ end: 'ready', bytes: keys.length * PAGE_BYTES });
          const acquired = await cluster.client.acquire('decode-0', { request: 'b', epoch });
          expect(acquired.keys.toSorted()).toEqual(keys);
          expect(cluster.wrongPages(acquired)).toEqual([]);
          await cluster.client.release('decode-0', { request: 'a', epoch: a.epoch });
          expect(await cluster.client.release('decode-0', { request: 'b', epoch })).toMatchObject({ freedPages: 4 });
        },
      );

      test.skipIf(providerMissing(provider) !== undefined).each([
        ['is cancelled', `write.starting=delay:${HELD_MS}`],
        ['is killed in the middle of it', 'write.underway=stop'],
      ])('T2, P2: the writer of a shared chunk %s: who had joined writes it', async (what, failpoints) => {
        await using cluster = await RealCluster.start();
        const [, writer] = await Promise.all([
          cluster.agent('decode-0', 'decode', provider),
          cluster.agent('prefill-0', 'prefill', provider, { failpoints }),
          cluster.agent('prefill-1', 'prefill', provider),
        ]);
        await cluster.segment('prefill-0', keys);
        await cluster.segment('prefill-1', keys);
        await cluster.put('prefill-0', 'a', keys);
        await cluster.statusWhen('decode-0', ({ pages }) => pages?.writing === keys.length);
        const { epoch } = await cluster.put('prefill-1', 'b', keys);
        await cluster.statusWhen('decode-0', ({ requests }) =>
          requests.some((row) => row.request === 'b' && row.state === 'running.receiving'),
        );
        expect(cluster.terminals).toEqual([]);
        if (what === 'is cancelled') await cluster.client.cancel('prefill-0', { request: 'a' });
        else await writer.end('SIGKILL');
        expect(await cluster.ended('a')).toMatchObject({ end: what === 'is cancelled' ? 'cancelled' : 'failed' });
        expect(await cluster.ended('b')).toMatchObject({ end: 'ready', bytes: keys.length * PAGE_BYTES });
        const acquired = await cluster.client.acquire('decode-0', { request: 'b', epoch });
        expect(acquired.keys.toSorted()).toEqual(keys);
        expect(cluster.wrongPages(acquired)).toEqual([]);
        await cluster.client.release('decode-0', { request: 'b', epoch });
        await cluster.statusWhen('decode-0', ({ pages }) => pages?.free === pages?.total);
      });

      test.skipIf(providerMissing(provider) !== undefined)(
        'T5, P5: cancelled in its write → its pages are not handed out before it drained',
        async () => {
          await using cluster = await RealCluster.start();
          const neighbour = Array.from({ length: 8 }, (_, index) => `neighbour-${index}`);
          const cancelled = Array.from({ length: 8 }, (_, index) => `cancelled-${index}`);
          const heir = Array.from({ length: 8 }, (_, index) => `heir-${index}`);
          await Promise.all([
            cluster.agent('decode-0', 'decode', provider),
            // The bytes land in the arena, but the sender reports the end of the write a second later.
            cluster.agent('prefill-0', 'prefill', provider, { failpoints: `write.done=delay:${HELD_MS}` }),
            cluster.agent('prefill-1', 'prefill', provider),
          ]);
          await cluster.segment('prefill-0', cancelled);
          await cluster.segment('prefill-1', [...neighbour, ...heir]);
          const { epoch } = await cluster.put('prefill-1', 'neighbour', neighbour);
          await cluster.ended('neighbour');
          const beside = await cluster.client.acquire('decode-0', { request: 'neighbour', epoch });
          await cluster.put('prefill-0', 'cancelled', cancelled);
          // The receiver allocates the pages before the sender learns of them. The write begins still later.
          await cluster.transferWhen('prefill-0', 'cancelled', 'writing');
          const cancelMs = performance.now();
          await cluster.client.cancel('decode-0', { request: 'cancelled' });
          expect(await cluster.ended('cancelled')).toMatchObject({ end: 'cancelled' });
          const source = [{ segment: 'engine', offset: 8 * PAGE_BYTES, length: PAGE_BYTES, count: 8 }];
          await cluster.put('prefill-1', 'heir', heir, { source });
          const waiting = await cluster.statusWhen('decode-0', ({ queued }) => queued === 1);
          expect(waiting.pages).toMatchObject({ free: 0, writing: 0, ready: 8, quarantined: 8 });
          expect(await cluster.ended('heir')).toMatchObject({ end: 'ready', bytes: 8 * PAGE_BYTES });
          expect(performance.now() - cancelMs).toBeGreaterThan(HELD_MS / 2);
          const inherited = await cluster.client.acquire('decode-0', { request: 'heir', epoch });
          expect(inherited.keys.length).toBe(8);
          expect(cluster.wrongPages(inherited)).toEqual([]);
          expect(cluster.wrongPages(beside)).toEqual([]);
          for (const request of ['neighbour', 'heir']) {
            expect(await cluster.client.release('decode-0', { request, epoch })).toMatchObject({ freedPages: 8 });
          }
        },
      );
    });
  },
);
