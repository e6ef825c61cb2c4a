import { expect, test } from 'vitest';
import { SEQUENCE_STEPS_MAX } from '../../../../src/observe/inspector/page/limits.js';
import { layOutSequence, type Step } from '../../../../src/observe/inspector/page/requests/sequence.js';
import { heard, request, sent, state, stored, transfer } from './support.js';

const life = [
  state('p', 100, 'request', 'running.open'),
  transfer('p', 100, 'allocating'),
  heard('p', 100, 'put', { batch: 0, tookMs: 0 }),
  stored('d', 101, 'allocated', 1),
  stored('d', 101, 'joined', 1, { detail: 'r0 writes it' }),
  sent('p', 102, 'allocate', { batch: 0, peer: 'd', tookMs: 2 }),
  transfer('p', 102, 'writing'),
  transfer('p', 107, 'committing'),
  sent('p', 109, 'commit', { batch: 0, peer: 'd', tookMs: 2 }),
  stored('d', 108, 'committed', 1),
  sent('d', 110, 'handover', { batch: 0, peer: 'p', tookMs: 1 }),
  sent('d', 112, 'ended', { peer: 'p' }),
];
const ended = request({ end: 'ready', endedMs: 112, changedMs: 400 });

const line = (step: Step) =>
  'lane' in step
    ? `${step.afterMs}: ${step.lane} ${step.text}`
    : `${step.afterMs}: ${step.from}>${step.to} ${step.text} ${step.took ?? ''}`.trim();

test("steps are in order: messages with both ends, the store's steps, bytes, the end", () => {
  const { lanes, steps, more } = layOutSequence({ request: ended, entries: life });
  expect(lanes).toEqual(['engine, router', 'p', 'd']);
  expect(steps.map(line)).toEqual([
    '0: 0>1 put 0 ms',
    '0: 1>2 allocate 2.00 ms',
    '1: 2 allocated 1 chunk',
    '1: 2 joined 1 chunk',
    '2: 1>2 bytes 5.00 ms',
    '7: 1>2 commit 2.00 ms',
    '8: 2 committed 1 chunk',
    '9: 2>1 handover 1.00 ms',
    '12: 2>1 ended',
    '12: 2 ready',
  ]);
  expect(more).toBe(0);
});

test('a failure shows its reason where it was noticed and at the end', () => {
  const reason = { code: 'sender_lost', message: 'p is gone' } as const;
  const entries = [state('d', 105, 'ingest', 'deciding', { reason })];
  const { steps } = layOutSequence({ request: request({ end: 'failed', reason, endedMs: 106 }), entries });
  expect(steps).toEqual([
    { kind: 'note', lane: 1, afterMs: 5, text: 'ingest deciding: sender_lost', detail: 'p is gone', tone: 'warn' },
    { kind: 'end', lane: 1, afterMs: 6, text: 'failed: sender_lost', detail: 'p is gone', tone: 'bad' },
  ]);
});

test('an answer that is an error is seen as one', () => {
  const entries = [sent('p', 102, 'allocate', { batch: 0, peer: 'd', tookMs: 2, code: 'stale_grant' })];
  expect(layOutSequence({ request: request(), entries }).steps).toMatchObject([
    { text: 'allocate: stale_grant', tone: 'bad', took: '2.00 ms' },
  ]);
});

test('batches have numbers when there are several', () => {
  const entries = [sent('p', 102, 'allocate', { batch: 1, peer: 'd', tookMs: 2 }), transfer('p', 103, 'writing', 1)];
  const { steps } = layOutSequence({ request: request({ batches: 2, changedMs: 109 }), entries });
  expect(steps.map(line)).toEqual(['0: 0>1 allocate · batch 1 2.00 ms', '3: 0>1 bytes · batch 1 under way']);
});

test('of very many steps the first and the last are shown', () => {
  const entries = Array.from({ length: 1000 }, (_, n) => stored('d', 100 + n, 'acquired', n));
  const { steps, more } = layOutSequence({ request: request(), entries });
  expect(steps).toHaveLength(SEQUENCE_STEPS_MAX);
  expect(more).toBe(1000 - SEQUENCE_STEPS_MAX);
  expect([steps[0], steps.at(-1)]).toMatchObject([{ afterMs: 0 }, { afterMs: 999 }]);
});
