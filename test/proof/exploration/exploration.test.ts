import { describe, expect, test } from 'vitest';
import { configurations } from './configurations.js';
import { type ExplorerOptions, explore, type Violation } from './explorer.js';
import { plantedDefects } from './planted-defects.js';

test('two requests with the same prompt, and nothing that goes wrong', () => {
  const { states, complete, violation } = of('no-fault');
  expect({ complete, violation }).toEqual({ complete: true, violation: undefined });
  expect(states).toBeGreaterThan(500);
});

test('one page for two requests, one message lost, one sender killed', () => {
  const { states, complete, violation } = of('scarce-loss-crash');
  expect({ complete, violation }).toEqual({ complete: true, violation: undefined });
  expect(states).toBeGreaterThan(5_000);
});

test('what is left unfinished says so', () => {
  expect(of('no-fault', { statesMax: 100 })).toMatchObject({ complete: false, violation: undefined });
});

/** What must be found, and the steps to it. */
describe('finds what upstream got wrong', () => {
  test('P1: a page that was given out counts as ready', () => {
    expect(found('no-fault', 'allocatedIsReady')).toEqual({
      what: 'x is ready, and its page has nothing',
      trace: ['batch 0 of r0 is put', 'allocate r0/0 arrives'],
    });
  });

  test('P1: a chunk that another request still writes is answered as ready', () => {
    expect(found('no-fault', 'joinedIsReady')).toEqual({
      what: 'end: request e1/r1 is not complete: it cannot be ready',
      trace: ['batch 0 of r0 is put', 'batch 0 of r1 is put', 'allocate r0/0 arrives', 'allocate r1/0 arrives'],
    });
  });

  test('P2: no request writes what a failed writer has left', () => {
    const { what, trace } = found('crash-crash', 'nobodyTakesOver');
    expect(what).toBe('page 0 is writing for ever');
    expect(trace).toContain('the sender of r0 is killed');
    expect(trace.length).toBeLessThanOrEqual(10);
  });

  test('P5: a page is free while a write is on its way to it', () => {
    expect(found('loss-cancel', 'noQuarantine')).toEqual({
      what: "x of r0 lands in page 0, which is nobody's",
      trace: [
        'batch 0 of r0 is put',
        'allocate r0/0 arrives',
        'r0 is cancelled at the receiver',
        'the answer to allocate r0/0 (ok) arrives',
        'chunk 0 of r0/0 part 0 lands',
      ],
    });
  });

  test('P6: a batch that comes after the end is admitted', () => {
    expect(found('loss-cancel', 'noTombstones')).toEqual({
      what: 'r0 has ended and holds pages',
      trace: ['batch 0 of r0 is put', 'r0 is cancelled at its sender', 'abort r0 arrives', 'allocate r0/0 arrives'],
    });
  });
});

function of(configuration: string, options?: ExplorerOptions) {
  return explore(configurations[configuration]!, options);
}

function found(configuration: string, defect: keyof typeof plantedDefects): Violation {
  return of(configuration, { createStore: plantedDefects[defect] }).violation!;
}
