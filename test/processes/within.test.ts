import { describe, expect, test } from 'vitest';
import { poll, within } from '../../src/processes/within.js';

describe('waiting', () => {
  test('ends with the work, or late', async () => {
    expect(await within(10_000, 'late', Promise.resolve(1))).toBe(1);
    await expect(within(1, 'nobody came', new Promise(() => undefined))).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: 'nobody came',
    });
  });

  test('asks until there is an answer, or it is late', async () => {
    let asked = 0;
    const look = async () => (++asked === 3 ? 'third' : undefined);
    expect(await poll(10_000, look)).toBe('third');
    expect(await poll(1, async () => undefined)).toBeUndefined();
  });
});
