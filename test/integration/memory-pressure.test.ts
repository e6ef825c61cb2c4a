import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { askEnd } from '../../src/client/ask-end.js';
import { Teardown } from '../../src/processes/teardown.js';
import { poll } from '../../src/processes/within.js';
import { ChaosCluster } from '../proof/chaos/chaos-cluster.js';
import { Load } from '../proof/chaos/load.js';
import { quiesce } from '../proof/chaos/quiesce.js';
import { missing, providerMissing } from './support.js';

const LOAD_MS = 4000;
/** Far more chunks than the arenas have pages, so every page is reused many times. */
const PAGES_VERIFIED_MIN = 500;
const ASK_TIMEOUT_MS = 2000;
const OBSERVED_WITHIN_MS = 5000;

const why = missing ?? providerMissing('same-host') ?? providerMissing('tcp');

describe.skipIf(why !== undefined)(`memory pressure${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  test('T16: engines want more than the arenas have → no wrong byte, nothing lost', async () => {
    const teardown = new Teardown();
    try {
      const cluster = await ChaosCluster.start({ seed: 16, logDirectory: undefined }, teardown);
      const load = new Load(cluster);
      load.start();
      await delay(LOAD_MS);
      await load.stop();
      const { reader, ledger } = cluster;
      expect(reader.wrong).toEqual([]);
      expect(reader.missing).toEqual([]);
      expect(reader.pagesVerified).toBeGreaterThan(PAGES_VERIFIED_MIN);
      // The ledger's observers may receive an announcement later than the engine that waited for it.
      await poll(OBSERVED_WITHIN_MS, async () => ledger.open().length === 0 || undefined);
      const silent = ledger.open().map(async (entry) => {
        const { request, sender, receiver, deadlineMs } = entry;
        const end = await askEnd(cluster.client, entry, { timeoutMs: ASK_TIMEOUT_MS });
        return { request, sender, receiver, deadlineMs, askedMs: performance.now(), end };
      });
      expect(await Promise.all(silent), 'ends that no agent has announced, as they are when asked').toEqual([]);
      expect(ledger.announcedTwice).toEqual({});
      expect(await quiesce(cluster)).toEqual({ pages: 0, sourceChunks: 0, words: [] });
    } finally {
      await teardown.run((error) => {
        throw error;
      });
    }
  });
});
