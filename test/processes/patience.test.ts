import { describe, expect, test, vi } from 'vitest';
import { patience, patient, patientTimeout } from '../../src/processes/patience.js';

describe('patience', () => {
  test.each([
    [{}, 1],
    [{ KVFERRY_PATIENCE: '' }, 1],
    [{ KVFERRY_PATIENCE: '4' }, 4],
    [{ KVFERRY_PATIENCE: '1.5' }, 1.5],
  ])('an environment of %o → factor %d', (env, factor) => {
    expect(patience(env)).toBe(factor);
  });

  test.each(['0.5', '-1', '1001', 'long', 'Infinity'])('%s in KVFERRY_PATIENCE → refused with the range', (text) => {
    const message = `KVFERRY_PATIENCE=${text}: it must be a number from 1 to 1000; it multiplies time limits`;
    const refusal = expect.objectContaining({ code: 'invalid_configuration', message });
    expect(() => patience({ KVFERRY_PATIENCE: text })).toThrow(refusal);
  });

  test('a factor in the environment → a time limit is longer by it', () => {
    vi.stubEnv('KVFERRY_PATIENCE', '1.5');
    expect(patient(1001)).toBe(1502);
  });

  test('a long timeout of a request → no longer than agents accept', () => {
    vi.stubEnv('KVFERRY_PATIENCE', '10');
    expect([10_000, 120_000].map(patientTimeout)).toEqual([100_000, 600_000]);
  });
});
