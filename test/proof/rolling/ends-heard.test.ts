import { expect, test } from 'vitest';
import { EndsHeard } from './ends-heard.js';

const EPOCH = '00000000000000aa';
const OTHER_EPOCH = '00000000000000bb';

function heard(...events: readonly Parameters<EndsHeard['heard']>[0][]): string[] {
  const ends = new EndsHeard();
  for (const event of events) ends.heard(event);
  return ends.twoEnds;
}

test('one end, received three times → no second end', () => {
  const event = { request: 'a', epoch: EPOCH, end: 'ready' } as const;
  expect(heard(event, event, event, { ...event, request: 'b', end: 'failed' })).toEqual([]);
});

test('failed, then ready → two ends', () => {
  const event = { request: 'a', epoch: EPOCH, end: 'failed' } as const;
  expect(heard(event, { ...event, end: 'ready' })).toEqual([
    `a has two ends: failed (epoch ${EPOCH}), ready (epoch ${EPOCH})`,
  ]);
});

test('ready at two processes → two ends', () => {
  const event = { request: 'a', epoch: EPOCH, end: 'ready' } as const;
  expect(heard(event, { ...event, epoch: OTHER_EPOCH })).toEqual([
    `a has two ends: ready (epoch ${EPOCH}), ready (epoch ${OTHER_EPOCH})`,
  ]);
});
