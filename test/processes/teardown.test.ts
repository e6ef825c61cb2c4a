import { describe, expect, test } from 'vitest';
import { Teardown } from '../../src/processes/teardown.js';

describe('teardown', () => {
  test('undoes what was made last first, also when a step fails', async () => {
    const teardown = new Teardown();
    const seen: unknown[] = [];
    teardown.defer(() => void seen.push('first'));
    teardown.defer(async () => {
      throw new Error('second');
    });
    teardown.defer(() => void seen.push('third'));
    await teardown.run((error) => seen.push((error as Error).message));
    expect(seen).toEqual(['third', 'second', 'first']);
  });

  test('undoes at once what is made after the end', async () => {
    const teardown = new Teardown();
    await teardown.run(() => undefined);
    const undone = new Promise<string>((resolve) => teardown.defer(() => resolve('undone')));
    expect(await undone).toBe('undone');
  });
});
