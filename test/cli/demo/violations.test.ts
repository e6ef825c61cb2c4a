import { expect, test } from 'vitest';
import { Violations } from '../../../src/cli/demo/violations.js';

test('what was listed does not change when more is seen', () => {
  const violations = new Violations();
  violations.add('one');
  const listed = violations.list();
  violations.add('two');
  expect(listed).toEqual(['one']);
});
