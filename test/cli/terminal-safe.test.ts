import { expect, test } from 'vitest';
import { terminalSafe } from '../../src/cli/terminal-safe.js';

test('what a terminal would obey is shown as an escape, colours stay', () => {
  const text = 'a\u001b[2Jb\u009b31mc\u009b[1m\u0007\rd\u202e\u007f \u001b[31mred\u001b[0m\n\tя';
  const safe = 'a\\u001b[2Jb\\u009b31mc\\u009b[1m\\u0007\\u000dd\\u202e\\u007f \u001b[31mred\u001b[0m\n\tя';
  expect(terminalSafe(text)).toBe(safe);
});

test('JSON text keeps its values', () => {
  const value = { path: '/dev/shm/\u009b2J\u202e\u007f', key: 'a\u001b[31m' };
  expect(JSON.parse(terminalSafe(JSON.stringify(value)))).toEqual(value);
});
