import { expect, test } from 'vitest';
import { RefusalLog } from '../../src/actors/observing/refusal-log.js';

test('P28: a flood of refusals → some of each second are logged, and how many are not', () => {
  const lines: [string, object][] = [];
  const note = (fields: object, message: string) => void lines.push([message, fields]);
  const log = new RefusalLog({ debug: note, info: note, warn: note, error: note } as never);
  for (let number = 0; number < 1000; number += 1) log.log(number, 'warn', { number }, 'refused');
  expect(lines).toHaveLength(50);
  log.log(1000, 'warn', { number: 1000 }, 'refused');
  expect(lines.slice(50)).toEqual([
    ['refused messages not logged', { refusals: 950 }],
    ['refused', { number: 1000 }],
  ]);
});
