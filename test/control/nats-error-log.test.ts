import { expect, test } from 'vitest';
import { NatsErrorLog } from '../../src/control/nats-error-log.js';

test('P28: a flood of errors of NATS → some of each second are logged, all counted', () => {
  const lines: [string, object][] = [];
  const note = (fields: object, message: string) => void lines.push([message, fields]);
  const log = new NatsErrorLog({ info: note, warn: note, error: note });
  for (let number = 0; number < 1000; number += 1) log.log(number, `${number}`);
  expect(lines).toHaveLength(10);
  log.log(1000, '1000');
  expect(lines.slice(10)).toEqual([
    ['errors of NATS not logged', { errors: 990 }],
    ['NATS reported an error', { reason: '1000' }],
  ]);
});
