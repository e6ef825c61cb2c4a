import { expect, test } from 'vitest';
import { isLate } from './late-error.js';

test.each([
  [0, 600, 4000, false],
  [0, 4000, 4000, false],
  [0, 4001, 4000, true],
  [3900, 4900, 4000, false],
  [3900, 4901, 4000, true],
])('death at %i, error at %i, deadline at %i → late: %s', (diedMs, heardMs, deadlineMs, late) => {
  expect(isLate({ diedMs, heardMs, deadlineMs }, 200)).toBe(late);
});
