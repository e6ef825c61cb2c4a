import { describe, expect, test } from 'vitest';
import { patient } from '../../../src/processes/patience.js';
import { missing, providerMissing } from '../../integration/support.js';
import { runChaos } from './run-chaos.js';

const DURATION_MS = 12_000;
const TEST_TIMEOUT_MS = patient(180_000);
const CANCELS = 20;
const KILLS = 5;
/** The run checks no times: other tests run beside it. */
const ROOM_MS = 10_000;

const why = missing ?? providerMissing('same-host') ?? providerMissing('tcp');

describe.skipIf(why !== undefined)(`chaos${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  test(
    'P5, P7, P12, P14, P15: agents die, stop, wake under load → no promise is broken',
    async () => {
      const options = { durationMs: DURATION_MS, seed: 6, killsMin: KILLS, cancels: CANCELS, roomMs: ROOM_MS };
      const report = await runChaos(options, () => undefined);
      expect(report.violations).toEqual([]);
      expect(report).toMatchObject({
        wrongBytes: 0,
        missingPages: 0,
        lostPages: 0,
        lostSourceChunks: 0,
        withoutEnd: 0,
        twoEnds: 0,
      });
      expect(report.zombieWritesRejected).toBeGreaterThanOrEqual(1);
      expect(report.natsCuts + report.natsFreezes).toBeGreaterThan(0);
      expect(report.kills).toBeGreaterThanOrEqual(KILLS);
      expect(report.pagesVerified).toBeGreaterThan(0);
      // The cluster works again after the faults: it accepted and ended each of these requests.
      expect(report.cancelMs.count).toBe(CANCELS);
    },
    TEST_TIMEOUT_MS,
  );
});
