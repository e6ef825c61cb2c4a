/** One batch on its way: what is written, what is given back and when, and that it always ends. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unsoundField } from '../../machines/allocation.js';
import { type TransferEvent, transferMachine } from '../../machines/transfer.js';
import type { Allocation } from '../../src/protocol/allocation.js';
import { runs } from '../support/thorough.js';
import { failure, otherFailure, run, Walk } from './support.js';

const input = (chunkCount: number) => ({
  transfer: 'e/r/0',
  batch: 0,
  chunkCount,
  arenaPages: 100,
  drainTimeoutMs: 500,
});

const start = (chunkCount = 3) => new Walk(transferMachine, input(chunkCount));

function replied(allocation: Partial<Allocation>): TransferEvent {
  const { pages = [], alreadySent = [], joined = [] } = allocation;
  const generations = allocation.generations ?? pages.map(() => 1);
  return { type: 'allocate.replied', allocation: { pages, generations, alreadySent, joined } };
}

const delivered: TransferEvent = { type: 'write.delivered' };
const accepted: TransferEvent = { type: 'commit.accepted' };
const resolved: TransferEvent = { type: 'join.resolved' };
const cancel: TransferEvent = { type: 'transfer.cancel', failure: otherFailure };
const handOver = (part: number, positions: readonly number[], pages: readonly number[]): TransferEvent => ({
  type: 'join.handed-over',
  part: {
    part,
    placements: positions.map((position, index) => ({ position, page: pages[index] as number, generation: 1 })),
  },
});
const settle: TransferEvent = { type: 'transfer.settle' };

/** Position 1 is ready, position 3 is joined, 0 and 2 must be written. */
const mixed = replied({ pages: [7, 5], generations: [3, 4], alreadySent: [3, 1], joined: [3] });

describe('the way of a batch', () => {
  test('S4: only chunks that were not deduplicated are written, each to its own page', () => {
    const walk = start(4);
    expect(walk.take()).toEqual([['sendAllocate']]);

    walk.send(mixed);

    expect(walk.state).toBe('writing');
    expect(walk.take()).toEqual([['releaseSource', { positions: [1] }], ['startWrite']]);
    expect(walk.context.current.placements).toEqual([
      { position: 0, page: 7, generation: 3 },
      { position: 2, page: 5, generation: 4 },
    ]);
  });

  test('S5: a chunk is given back when ready: at once, on delivery, or on the notice', () => {
    const walk = start(4).send(mixed);
    expect(walk.take()).toEqual([['sendAllocate'], ['releaseSource', { positions: [1] }], ['startWrite']]);
    walk.send(delivered);
    expect(walk.take()).toEqual([['releaseSource', { positions: [0, 2] }], ['sendCommit']]);
    walk.send(accepted);
    expect(walk.state).toBe('joining');
    expect(walk.take()).toEqual([]);
    expect(walk.context.held).toEqual([3]);

    walk.send(resolved);

    expect(walk.state).toBe('committed');
    expect(walk.take()).toEqual([['releaseSource', { positions: [3] }], ['reportCommitted']]);
    expect(walk.context).toMatchObject({ held: [], failure: null, drained: true });
  });

  test('S13: S14: a batch that is wholly deduplicated moves no byte and completes', () => {
    const walk = start().send(replied({ alreadySent: [2, 0, 1] }));

    expect(walk.state).toBe('committed');
    expect(walk.effects).toEqual([['sendAllocate'], ['releaseSource', { positions: [2, 0, 1] }], ['reportCommitted']]);
  });

  test('S14: P16: a batch without keys completes', () => {
    const walk = start(0).send(replied({}));

    expect(walk.state).toBe('committed');
    expect(walk.effects).toEqual([['sendAllocate'], ['reportCommitted']]);
  });

  test('P1: a batch that only joined is not committed before the bytes are there', () => {
    const walk = start().send(replied({ alreadySent: [0, 1, 2], joined: [0, 2] }));

    expect(walk.state).toBe('joining');
    expect(walk.take()).toEqual([['sendAllocate'], ['releaseSource', { positions: [1] }]]);
    walk.send(resolved);
    expect(walk.state).toBe('committed');
    expect(walk.take()).toEqual([['releaseSource', { positions: [0, 2] }], ['reportCommitted']]);
  });

  test('P1: its own commit does not make a batch committed that has joined others', () => {
    const walk = start().send(replied({ pages: [4, 5], alreadySent: [1], joined: [1] }), delivered, accepted);
    expect(walk.state).toBe('joining');
    expect(walk.context.held).toEqual([1]);
  });

  const early: [string, TransferEvent[]][] = [
    ['while it writes', [mixed, resolved, delivered, accepted]],
    ['while it commits', [mixed, delivered, resolved, accepted]],
    ['before the reply it belongs to', [resolved, mixed, delivered, accepted]],
  ];
  for (const [when, events] of early) {
    test(`P1: the notice that joined chunks are ready counts also when it comes ${when}`, () => {
      const walk = start(4).send(...events);

      expect(walk.state).toBe('committed');
      expect(walk.effects).toEqual([
        ['sendAllocate'],
        ['releaseSource', { positions: [1] }],
        ['startWrite'],
        ['releaseSource', { positions: [0, 2] }],
        ['sendCommit'],
        ['releaseSource', { positions: [3] }],
        ['reportCommitted'],
      ]);
    });
  }
});

describe('a batch that waits for pages', () => {
  const queued: TransferEvent = { type: 'allocate.queued' };
  const again: TransferEvent = { type: 'allocate.again' };

  test('P8: it is queued, then admitted → it is written', () => {
    const walk = start(4).send(queued);
    expect(walk.state).toBe('queued');
    expect(walk.take()).toEqual([['sendAllocate']]);
    walk.send(mixed);
    expect(walk.state).toBe('writing');
  });

  test('P25: the notice of its admission is lost → it asks again', () => {
    const walk = start(4).send(queued);
    walk.take();
    walk.send(again);
    expect(walk.state).toBe('allocating');
    expect(walk.take()).toEqual([['sendAllocate']]);
  });

  test('P25: a hand-over overtakes the notice of its admission → it is written later', () => {
    const walk = start(4).send(queued, handOver(1, [3], [9]), mixed, delivered, accepted);
    expect(walk.state).toBe('writing');
    expect(walk.context.current).toEqual({ part: 1, placements: [{ position: 3, page: 9, generation: 1 }] });
  });

  test('its pages are bound to another remote key → it gives up', () => {
    const walk = start(4).send(queued, { type: 'allocate.failed', failure });
    expect(walk.state).toBe('aborted');
    expect(walk.context).toMatchObject({ failure, held: [], drained: true });
  });

  test('P4: it is cancelled while it waits → every position is given back', () => {
    const walk = start().send(queued, cancel);
    expect(walk.take()).toEqual([['sendAllocate'], ['releaseSource', { positions: [0, 1, 2] }], ['reportAborted']]);
  });
});

describe('a reply that does not add up', () => {
  const replies: [string, Partial<Allocation>, string][] = [
    ['a position beyond the batch', { pages: [4, 5], alreadySent: [3] }, 'alreadySent'],
    ['a negative position', { pages: [4, 5], alreadySent: [-1] }, 'alreadySent'],
    ['a position that is not whole', { pages: [4, 5], alreadySent: [0.5] }, 'alreadySent'],
    ['a position that is no number', { pages: [4, 5], alreadySent: [Number.NaN] }, 'alreadySent'],
    ['a position twice', { pages: [4], alreadySent: [1, 1] }, 'alreadySent'],
    ['more positions than chunks', { pages: [], alreadySent: [0, 1, 2, 0] }, 'alreadySent'],
    ['too few pages', { pages: [4], alreadySent: [0] }, 'pages'],
    ['too many pages', { pages: [4, 5, 6], alreadySent: [0] }, 'pages'],
    ['no page at all', { pages: [], alreadySent: [] }, 'pages'],
    ['a page twice', { pages: [4, 4], alreadySent: [0] }, 'pages'],
    ['a page beyond the arena', { pages: [4, 100], alreadySent: [0] }, 'pages'],
    ['a negative page', { pages: [-1, 4], alreadySent: [0] }, 'pages'],
    ['a page that is not whole', { pages: [4, 5.5], alreadySent: [0] }, 'pages'],
    ['too few generations', { pages: [4, 5], generations: [1], alreadySent: [0] }, 'generations'],
    ['too many generations', { pages: [4, 5], generations: [1, 1, 1], alreadySent: [0] }, 'generations'],
    ['a negative generation', { pages: [4, 5], generations: [1, -1], alreadySent: [0] }, 'generations'],
    ['a generation that is not whole', { pages: [4, 5], generations: [1, 1.5], alreadySent: [0] }, 'generations'],
    ['a joined position that was not already sent', { pages: [4, 5], alreadySent: [0], joined: [1] }, 'joined'],
    ['a joined position twice', { pages: [4, 5], alreadySent: [0], joined: [0, 0] }, 'joined'],
    ['a joined position beyond the batch', { pages: [4, 5], alreadySent: [0], joined: [7] }, 'joined'],
  ];
  for (const [what, allocation, field] of replies) {
    test(`S6: P9: ${what}: nothing is written, the transfer aborts and names ${field}`, () => {
      const walk = start(3).send(replied(allocation));

      expect(walk.state).toBe('aborted');
      expect(walk.effects).toEqual([['sendAllocate'], ['releaseSource', { positions: [0, 1, 2] }], ['reportAborted']]);
      expect(walk.context).toMatchObject({
        failure: {
          code: 'inconsistent_reply',
          message: `allocation of e/r/0 does not fit its 3 chunks: ${field}`,
          field,
        },
        drained: true,
        held: [],
      });
    });
  }

  test('S6, P9: any unsound reply → everything is given back, nothing is written', () => {
    const numbers = fc.array(fc.oneof(fc.integer({ min: -2, max: 6 }), fc.constant(1.5)), { maxLength: 4 });
    const allocation = fc.record({ pages: numbers, generations: numbers, alreadySent: numbers, joined: numbers });
    fc.assert(
      fc.property(fc.nat(4), allocation, (chunkCount, reply) => {
        const walk = new Walk(transferMachine, { ...input(chunkCount), arenaPages: 5 });
        walk.send({ type: 'allocate.replied', allocation: reply });
        const names = walk.effects.map(([name]) => name);
        if (unsoundField(reply, { chunkCount, arenaPages: 5, held: [...Array(chunkCount).keys()] }) === undefined) {
          const written = walk.context.current.placements.map(({ position }) => position);
          expect([...written, ...reply.alreadySent].sort()).toEqual([...Array(chunkCount).keys()]);
          expect(new Set(walk.context.current.placements.map(({ page }) => page)).size).toBe(written.length);
          return;
        }
        expect(walk.state).toBe('aborted');
        expect(names).not.toContain('startWrite');
        expect(walk.context).toMatchObject({
          held: [],
          current: { placements: [] },
          failure: { code: 'inconsistent_reply' },
        });
      }),
      { numRuns: runs(2000) },
    );
  });
});

describe('giving up', () => {
  test('S11: an abort gives back the joined chunks too, also when all chunks are joined', () => {
    const walk = start().send(replied({ alreadySent: [0, 1, 2], joined: [0, 1, 2] }), cancel);

    expect(walk.state).toBe('aborted');
    expect(walk.effects).toEqual([['sendAllocate'], ['releaseSource', { positions: [0, 1, 2] }], ['reportAborted']]);
    expect(walk.context).toMatchObject({ failure: otherFailure, drained: true });
  });

  test('S11: P9: every chunk is held before the allocation is sent', () => {
    const walk = start(3);
    expect(walk.context.held).toEqual([0, 1, 2]);
    walk.send({ type: 'allocate.failed', failure });
    expect(walk.state).toBe('aborted');
    expect(walk.take()).toEqual([['sendAllocate'], ['releaseSource', { positions: [0, 1, 2] }], ['reportAborted']]);
    expect(walk.context).toMatchObject({ failure, drained: true });
  });

  test('P5: cancelled in its write → nothing is given back or reported before it drained', () => {
    const walk = start().send(replied({ pages: [1, 2, 3] }));
    walk.take();

    walk.send(cancel);
    expect(walk.state).toBe('draining');
    expect(walk.take()).toEqual([['stopWrite']]);

    walk.send({ type: 'write.failed', failure, drained: true });
    expect(walk.state).toBe('aborted');
    expect(walk.take()).toEqual([['releaseSource', { positions: [0, 1, 2] }], ['reportAborted']]);
    expect(walk.context).toMatchObject({ failure: otherFailure, drained: true });
  });

  test('P5, P6: a write is delivered after the cancel → it is drained, and not committed', () => {
    const walk = start().send(replied({ pages: [1, 2, 3] }), cancel, delivered);

    expect(walk.state).toBe('aborted');
    expect(walk.effects.map(([name]) => name)).not.toContain('sendCommit');
    expect(walk.context).toMatchObject({ failure: otherFailure, drained: true });
  });

  test('P5: a write that failed and may still land is not drained', () => {
    const walk = start().send(replied({ pages: [1, 2, 3] }), { type: 'write.failed', failure, drained: false });
    expect(walk.state).toBe('aborted');
    expect(walk.context).toMatchObject({ failure, drained: false });

    const cancelled = start().send(replied({ pages: [1, 2, 3] }), cancel, {
      type: 'write.failed',
      failure,
      drained: false,
    });
    expect(cancelled.context).toMatchObject({ failure: otherFailure, drained: false });
  });

  test('P29, T26: a provider fails → the same pages are written under the next key', () => {
    const walk = start(4).send(mixed);
    walk.take();

    walk.send({ type: 'write.again', drained: false });
    expect(walk.state).toBe('allocating');
    expect(walk.take()).toEqual([['sendAllocate']]);
    expect(walk.context).toMatchObject({ drained: false, writeOutstanding: false, held: [0, 2, 3] });

    walk.send(mixed);
    expect(walk.state).toBe('writing');
    expect(walk.take()).toEqual([['startWrite']]);

    walk.send(delivered);
    expect(walk.context).toMatchObject({ drained: true, held: [3] });
  });

  test('S5: a repeated reply asks for a chunk that was given back → refused', () => {
    const walk = start(4).send(mixed, { type: 'write.again', drained: true });
    walk.send(replied({ pages: [7, 5, 6], alreadySent: [3], joined: [3] }));
    expect(walk.state).toBe('aborted');
    expect(walk.context.failure).toMatchObject({ code: 'inconsistent_reply', field: 'pages' });
  });

  test('P5: cancelled before a write is repeated that may still land → not drained', () => {
    const walk = start().send(replied({ pages: [1, 2, 3] }), { type: 'write.again', drained: false }, cancel);
    expect(walk.state).toBe('aborted');
    expect(walk.context).toMatchObject({ failure: otherFailure, drained: false, held: [] });
  });

  test('P7: a write never reports its drain → it is given up after drainTimeoutMs', () => {
    const { actor, pass, take } = run(transferMachine, input(2));
    actor.send(replied({ pages: [1, 2] }));
    pass(10_000);
    actor.send(cancel);
    take();

    pass(499);
    expect(actor.getSnapshot().value).toBe('draining');
    expect(take()).toEqual([]);
    pass(1);
    expect(actor.getSnapshot().value).toBe('aborted');
    expect(take()).toEqual([['releaseSource', { positions: [0, 1] }], ['reportAborted']]);
    expect(actor.getSnapshot().context).toMatchObject({ failure: otherFailure, drained: false });
  });

  test('P6: a refused commit ends the transfer with the reason', () => {
    const walk = start().send(replied({ pages: [1, 2, 3] }), delivered, { type: 'commit.failed', failure });
    expect(walk.state).toBe('aborted');
    expect(walk.take()).toEqual([
      ['sendAllocate'],
      ['startWrite'],
      ['releaseSource', { positions: [0, 1, 2] }],
      ['sendCommit'],
      ['reportAborted'],
    ]);
    expect(walk.context).toMatchObject({ failure, drained: true, held: [] });
  });

  const cancellable: [string, TransferEvent[]][] = [
    ['allocating', []],
    ['writing', [mixed]],
    ['committing', [mixed, delivered]],
    ['joining', [mixed, delivered, accepted]],
  ];
  for (const [state, events] of cancellable) {
    test(`P7: ${state} can be cancelled, which is how its request's deadline ends it`, () => {
      const walk = start(4).send(...events);
      expect(walk.state).toBe(state);

      walk.send(cancel);
      if (walk.state === 'draining') walk.elapse('drainTimeout', 'draining');
      expect(walk.state).toBe('aborted');
      expect(walk.context).toMatchObject({ failure: otherFailure, held: [] });
    });

    test(`P7: ${state} ends when the receiver has announced the request ready`, () => {
      const walk = start(4).send(...events, settle);
      if (walk.state === 'draining') walk.elapse('drainTimeout', 'draining');
      expect(walk.isOver, walk.state).toBe(true);
    });
  }

  test('P4: the first reason is the one that is reported', () => {
    const walk = start().send(replied({ pages: [1, 2, 3] }), { type: 'write.failed', failure, drained: true }, cancel);
    expect(walk.context.failure).toEqual(failure);
  });
});

describe('over every order of events', () => {
  const event = (count: number): fc.Arbitrary<TransferEvent> =>
    fc.oneof(
      { weight: 3, arbitrary: allocation(count) },
      fc.constantFrom<TransferEvent>(delivered, accepted, resolved),
      fc.constantFrom<TransferEvent>(
        delivered,
        accepted,
        resolved,
        cancel,
        settle,
        { type: 'allocate.failed', failure },
        { type: 'write.again', drained: true },
        { type: 'write.again', drained: false },
        { type: 'write.failed', failure, drained: true },
        { type: 'write.failed', failure, drained: false },
        { type: 'commit.failed', failure },
      ),
    );

  /** A sound reply: each position is either written, ready or joined. */
  function allocation(count: number): fc.Arbitrary<TransferEvent> {
    return fc.array(fc.constantFrom('write', 'ready', 'join'), { minLength: count, maxLength: count }).map((kinds) =>
      replied({
        pages: kinds.flatMap((kind, position) => (kind === 'write' ? [position + 10] : [])),
        alreadySent: kinds.flatMap((kind, position) => (kind === 'write' ? [] : [position])),
        joined: kinds.flatMap((kind, position) => (kind === 'join' ? [position] : [])),
      }),
    );
  }

  const orders = fc.nat(5).chain((count) => fc.tuple(fc.constant(count), fc.array(event(count), { maxLength: 12 })));

  test('S5, P9: every position is given back once, and never while it may be read', () => {
    fc.assert(
      fc.property(orders, ([count, events]) => {
        const walk = start(count);
        const released: number[] = [];
        const follow = () => {
          for (const [name, params] of walk.take()) {
            if (name === 'releaseSource') released.push(...(params as { positions: number[] }).positions);
          }
        };
        for (const next of events) {
          walk.send(next);
          follow();
          expect([...released, ...walk.context.held].sort(), 'given back or held').toEqual([...Array(count).keys()]);
          if (walk.context.writeOutstanding && !walk.isOver) {
            for (const { position } of walk.context.current.placements) expect(released).not.toContain(position);
          }
          if (!walk.isOver && !walk.context.joinResolved) {
            for (const position of walk.context.joined) expect(released).not.toContain(position);
          }
        }
        walk.send(cancel);
        if (walk.state === 'draining') walk.elapse('drainTimeout', 'draining');
        follow();
        expect(walk.isOver).toBe(true);
        expect(released.sort()).toEqual([...Array(count).keys()]);
      }),
      { numRuns: runs(2000) },
    );
  });

  test('P12: it reports once how it ended, and why when it was aborted', () => {
    fc.assert(
      fc.property(orders, ([count, events]) => {
        const walk = start(count).send(...events, cancel);
        if (walk.state === 'draining') walk.elapse('drainTimeout', 'draining');
        const reports = walk.effects.filter(([name]) => name === 'reportCommitted' || name === 'reportAborted');
        expect(reports).toEqual([[walk.state === 'committed' ? 'reportCommitted' : 'reportAborted']]);
        expect(walk.context.failure === null).toBe(walk.state === 'committed');
        const repeats = events.filter(({ type }) => type === 'write.again').length;
        expect(walk.effects.filter(([name]) => name === 'startWrite').length).toBeLessThanOrEqual(1 + repeats);
      }),
      { numRuns: runs(1000) },
    );
  });
});

describe('hand-over', () => {
  test('P2: joined chunks lose their writer → they are written, committed and given back', () => {
    const walk = start(4).send(mixed, delivered, accepted);
    expect(walk.state).toBe('joining');
    walk.take();

    walk.send(handOver(1, [3], [9]));

    expect(walk.state).toBe('writing');
    expect(walk.take()).toEqual([['startWrite']]);
    expect(walk.context.current).toEqual({ part: 1, placements: [{ position: 3, page: 9, generation: 1 }] });
    walk.send(delivered);
    expect(walk.take()).toEqual([['releaseSource', { positions: [3] }], ['sendCommit']]);
    walk.send(accepted);
    expect(walk.state).toBe('joining');
    walk.send(resolved);
    expect(walk.state).toBe('committed');
    expect(walk.take()).toEqual([['reportCommitted']]);
  });

  test.each([
    ['before the answer to allocate', [handOver(1, [3], [9]), mixed, delivered, accepted]],
    ['while the batch itself is written', [mixed, handOver(1, [3], [9]), delivered, accepted]],
    ['while the batch itself is committed', [mixed, delivered, handOver(1, [3], [9]), accepted]],
  ])('P2: it may come at any time: %s', (_, events) => {
    const walk = start(4).send(...events);
    expect(walk.state).toBe('writing');
    expect(walk.context).toMatchObject({ current: { part: 1 }, handedOver: [] });
  });

  test('P2: one after the other', () => {
    const joined = replied({ alreadySent: [0, 1, 2], joined: [0, 1, 2] });
    const walk = start(3).send(joined, handOver(1, [0], [4]), handOver(2, [2, 1], [5, 6]), delivered, accepted);
    expect(walk.state).toBe('writing');
    expect(walk.context.current.part).toBe(2);
    walk.send(delivered, accepted, resolved);
    expect(walk.state).toBe('committed');
  });

  test('P2: two hand-overs during a write → both are written, in their order', () => {
    const some = replied({ pages: [7], alreadySent: [1, 2], joined: [1, 2] });
    const walk = start(3).send(some, handOver(1, [1], [4]), handOver(2, [2], [5]), delivered, accepted);
    expect(walk.context.current).toEqual({ part: 1, placements: [{ position: 1, page: 4, generation: 1 }] });
    walk.send(delivered, accepted);
    expect(walk.context.current).toEqual({ part: 2, placements: [{ position: 2, page: 5, generation: 1 }] });
    walk.send(delivered, accepted, resolved);
    expect(walk.state).toBe('committed');
  });

  test.each([
    ['a chunk that was not joined', [0], [9], 'positions'],
    ['the same chunk twice', [3, 3], [9, 8], 'positions'],
    ['a page outside the arena', [3], [100], 'pages'],
    ['half a page', [3], [0.5], 'pages'],
  ])('S6: %s: nothing is written, the transfer aborts, the reason names the field', (_, positions, pages, field) => {
    const walk = start(4).send(mixed, delivered, accepted);
    walk.take();
    walk.send(handOver(1, positions, pages));
    expect(walk.state).toBe('aborted');
    expect(walk.context.failure).toMatchObject({ code: 'inconsistent_reply', field });
    expect(walk.take().map(([name]) => name)).toEqual(['releaseSource', 'reportAborted']);
  });

  test('S5: a chunk that was written is not taken over again', () => {
    const walk = start(4).send(mixed, delivered, accepted, handOver(1, [3], [9]), delivered, accepted);
    walk.send(handOver(2, [3], [8]));
    expect(walk.state).toBe('aborted');
  });

  test('P5: cancelled while it writes what was handed over: it drains first', () => {
    const walk = start(4).send(mixed, delivered, accepted, handOver(1, [3], [9]), cancel);
    expect(walk.state).toBe('draining');
    walk.send(delivered);
    expect(walk.context).toMatchObject({ drained: true, failure: otherFailure });
  });
});
