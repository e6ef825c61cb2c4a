import { describe, expect, test } from 'vitest';
import { patient } from '../../../src/processes/patience.js';
import { missing, providerMissing } from '../../integration/support.js';
import { runRolling } from './run-rolling.js';

const TEST_TIMEOUT_MS = patient(180_000);
/** So long that each agent that is killed has prompts that wait for their next step. */
const STEP_MS = [2000, 2000] as const;

const why = missing ?? providerMissing('same-host') ?? providerMissing('tcp');

describe.skipIf(why !== undefined)(`a rolling restart${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  test(
    'agents are killed, and no prompt is tried again → the check finds lost ones',
    async () => {
      const options = { rounds: 1, seed: 3, ending: 'SIGKILL', attempts: 1, stepMs: STEP_MS, withNats: false } as const;
      const { restarts, lost, wrongBytes, violations } = await runRolling(options, () => undefined);
      expect({ restarts, wrongBytes }).toEqual({ restarts: 4, wrongBytes: 0 });
      expect(lost).toBeGreaterThan(0);
      expect(violations[0]).toMatch(/^prompt-\d+ is lost after 1 attempts: /);
    },
    TEST_TIMEOUT_MS,
  );
});
