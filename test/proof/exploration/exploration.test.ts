import { describe, expect, test } from 'vitest';
import type { Limits, Violation } from './explorer.js';
import { plantedDefects } from './planted-defects.js';
import type { Variant } from './request-world.js';
import { worlds } from './worlds.js';

test('two requests with the same prompt, no fault → no violation', () => {
  const { states, complete, violation } = of('shared');
  expect({ complete, violation }).toEqual({ complete: true, violation: undefined });
  expect(states).toBeGreaterThan(100);
});

test('one page, a message lost, a sender killed → no violation', () => {
  const { states, pairs, complete, violation } = of('scarce-loss-crash');
  expect({ complete, violation }).toEqual({ complete: true, violation: undefined });
  expect(states).toBeGreaterThan(1_000);
  expect(pairs['loss-crash']).toBeGreaterThan(100);
});

test('more states than allowed → not complete', () => {
  expect(of('shared', {}, { statesMax: 100 })).toMatchObject({ complete: false, violation: undefined });
});

/** What must be found, and the steps to it. */
describe('finds what upstream got wrong', () => {
  test('P1: a page that was given out counts as ready', () => {
    expect(found('shared', 'allocatedIsReady')).toEqual({
      what: 'x is ready, and its page has nothing',
      trace: ['batch 0 of r0 is put', 'allocate r0/0 arrives'],
    });
  });

  test('P1: a chunk that another request still writes is answered as ready', () => {
    expect(found('shared', 'joinedIsReady')).toEqual({
      what: 'end: request e1/r1 is not complete: it cannot be ready',
      trace: ['batch 0 of r0 is put', 'batch 0 of r1 is put', 'allocate r0/0 arrives', 'allocate r1/0 arrives'],
    });
  });

  test('P2: no request writes what a failed writer has left', () => {
    const { what, trace } = found('one-crash', 'nobodyTakesOver');
    expect(what).toBe('page 1 is writing for ever');
    expect(trace).toContain('the sender of r0 is killed');
    expect(trace.length).toBeLessThanOrEqual(10);
  });

  test('P5: a page is free while a write is on its way to it', () => {
    expect(found('shared-cancel', 'noQuarantine')).toEqual({
      what: "x of r0 may land in page 0, which is nobody's",
      trace: [
        'batch 0 of r0 is put',
        'allocate r0/0 arrives',
        'r0 is cancelled at the receiver',
        'the answer to allocate r0/0 (ok) arrives',
        'confirm r0 arrives',
        'the answer to confirm r0 (ok) arrives',
      ],
    });
  });

  test('P5: the store is notified of a revocation that has not happened', () => {
    expect(of('shared-crash', { fencesFirst: true }).violation).toEqual({
      what: "x of r0 may land in page 0, which is nobody's",
      trace: [
        'batch 0 of r0 is put',
        'allocate r0/0 arrives',
        'the answer to allocate r0/0 (ok) arrives',
        'the sender of r0 is killed',
        'the receiver declares the sender of r0 dead',
        'the store is notified that the remote key of r0 is revoked',
      ],
    });
  });

  test('P29: a page is free because a repeated hand-over was refused', () => {
    const { what, trace } = found('one-loss-crash-fabric', 'declineFrees', { forgetsParts: true });
    expect(what).toBe("x of r1 may land in page 1, which is nobody's");
    expect(trace.slice(-5)).toEqual([
      'the answer to handover r1/0 part 1 (ok) is lost',
      'handover r1/0 part 1 again',
      'r1/0 part 1 breaks off, and more may land',
      'handover r1/0 part 1 arrives',
      'the answer to handover r1/0 part 1 (unknown_request) arrives',
    ]);
  });

  test('P6: a batch that comes after the end is admitted', () => {
    expect(found('shared-cancel', 'noTombstones')).toEqual({
      what: 'r0 has ended and holds pages',
      trace: [
        'batch 0 of r0 is put',
        'r0 is cancelled at its sender',
        'abort r0 arrives',
        'confirm r0 arrives',
        'the answer to confirm r0 (ok) arrives',
        'allocate r0/0 arrives',
      ],
    });
  });
});

function of(name: string, variant?: Variant, limits: Limits = {}) {
  return worlds[name]!(limits, variant);
}

function found(name: string, defect: keyof typeof plantedDefects, variant: Variant = {}): Violation {
  return of(name, { ...variant, createStore: plantedDefects[defect] }).violation!;
}
