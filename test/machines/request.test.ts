/** Sender side of one prompt: its transfers, its one end, and who announces it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RequestEvent, requestMachine } from '../../machines/request.js';
import type { End } from '../../src/protocol/subjects.js';
import { runs } from '../support/thorough.js';
import { failure, otherFailure, run, Walk } from './support.js';

const input = {
  request: 'r',
  epoch: 'e',
  receiver: 'decode-1',
  totalChunks: 6,
  timeoutMs: 10_000,
  inquireIntervalMs: 100,
  tombstoneMs: 60_000,
  hasRanks: false,
};

const start = () => new Walk(requestMachine, input);

const added = (batch: number, last = false): RequestEvent => ({ type: 'batch.added', batch, chunks: 2, last });
const committed = (batch: number): RequestEvent => ({ type: 'transfer.committed', batch });
const aborted = (batch: number, drained = true, unanswered = false): RequestEvent => ({
  type: 'transfer.aborted',
  batch,
  failure,
  drained,
  unanswered,
});
const cancel: RequestEvent = { type: 'request.cancel', failure: otherFailure };
const lost: RequestEvent = {
  type: 'receiver.lost',
  failure: { code: 'receiver_lost', message: 'decode-1 is gone' },
};
const ready: RequestEvent = { type: 'request.ended', end: 'ready', failure: null };
const told = (end: Exclude<End, 'ready'>): RequestEvent => ({ type: 'request.ended', end, failure });
const acknowledged = (end: End): RequestEvent => ({ type: 'abort.acknowledged', end, failure: null });
const unreachable: RequestEvent = { type: 'abort.unreachable' };
const agreed: RequestEvent = { type: 'confirm.agreed' };
const certain: RequestEvent = { type: 'end.certain' };

const cancelTransfers = (why: unknown) => ['cancelTransfers', { failure: why }];
const over = [['sendDrained'], ['announce'], ['reportEnded']];

describe('the way of a request', () => {
  test('every batch is moved by one transfer, and the receiver decides the end', () => {
    const walk = start().send(added(0), added(1, true));
    expect(walk.take()).toEqual([
      ['startTransfer', { batch: 0 }],
      ['startTransfer', { batch: 1 }],
    ]);
    walk.send(committed(1));
    expect(walk.state).toBe('running.open');
    walk.send(committed(0));
    expect(walk.state).toBe('running.settling');
    expect(walk.take()).toEqual([]);

    walk.send(ready);
    expect(walk.state).toBe('ended');
    expect(walk.take()).toEqual([['settleTransfers'], ...over]);
    expect(walk.context).toMatchObject({
      end: 'ready',
      failure: null,
      receiverAnnounces: true,
      drained: true,
      active: 0,
      batches: 2,
      chunks: 4,
    });
  });

  test('between two batches nothing ends', () => {
    const walk = start().send(added(0), committed(0));
    expect(walk.state).toBe('running.open');
    walk.send(added(1, true));
    expect(walk.take()).toEqual([
      ['startTransfer', { batch: 0 }],
      ['startTransfer', { batch: 1 }],
    ]);
  });

  test('P6: ready while a reply is under way → the transfer is notified, it ends', () => {
    const walk = start().send(added(0, true), ready);
    expect(walk.state).toBe('settled');
    expect(walk.take()).toEqual([['startTransfer', { batch: 0 }], ['settleTransfers']]);

    walk.send(committed(0));
    expect(walk.state).toBe('ended');
    expect(walk.take()).toEqual(over);
  });

  test('P6: either side cancels a ready request → it stays ready', () => {
    const walk = start().send(added(0, true), ready);
    walk.take();

    walk.send(cancel, lost, told('cancelled'));
    expect(walk.state).toBe('settled');
    expect(walk.take()).toEqual([['reportUnexpected'], ['reportUnexpected']]);
    walk.send(committed(0));
    expect(walk.take()).toEqual(over);
    expect(walk.context).toMatchObject({ end: 'ready', failure: null, receiverAnnounces: true });
  });
});

describe('giving up', () => {
  test('S15: one refused batch ends the whole request, and cancels its other batches', () => {
    const walk = start().send(added(0), added(1), added(2));
    walk.take();

    walk.send(aborted(1));
    expect(walk.state).toBe('aborting.asking');
    expect(walk.take()).toEqual([cancelTransfers(failure), ['sendAbort']]);

    walk.send(aborted(0), acknowledged('failed'));
    expect(walk.state).toBe('aborting.asking');
    expect(walk.take()).toEqual([]);

    walk.send(committed(2));
    expect(walk.state).toBe('ended');
    expect(walk.take()).toEqual(over);
    expect(walk.context).toMatchObject({ end: 'failed', failure, receiverAnnounces: true, drained: true, active: 0 });
  });

  test('S11: all batches are committed or deduplicated → a cancel still sends an abort', () => {
    const walk = start().send(added(0, true), committed(0));
    expect(walk.state).toBe('running.settling');
    walk.take();

    walk.send(cancel);
    expect(walk.take()).toEqual([cancelTransfers(otherFailure), ['sendAbort']]);
    walk.send(acknowledged('cancelled'));
    expect(walk.take()).toEqual(over);
    expect(walk.context).toMatchObject({ end: 'cancelled', failure: otherFailure, receiverAnnounces: true });
  });

  test('P9: an abort waits for the end of every write and for the word of the receiver', () => {
    const walk = start().send(added(0), added(1), cancel, acknowledged('cancelled'));
    expect(walk.state).toBe('aborting.asking');
    walk.send(aborted(0));
    expect(walk.isOver).toBe(false);
    walk.send(aborted(1, false));
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'cancelled', drained: false });
  });

  test('P5: drained only when every transfer has drained', () => {
    const ends = [committed(0), aborted(1, false), aborted(2, true)];
    const walk = start().send(added(0), added(1), added(2), cancel, acknowledged('cancelled'), ...ends);
    expect(walk.state).toBe('ended');
    expect(walk.context.drained).toBe(false);
  });

  test('P6: the receiver recorded an earlier end: that one holds', () => {
    const walk = start().send(added(0, true), committed(0), cancel, acknowledged('ready'));
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'ready', failure: null, receiverAnnounces: true });
  });

  test('P12: the receiver reports two ends → the first one holds', () => {
    const walk = start().send(added(0), told('expired'), told('cancelled'), acknowledged('failed'), aborted(0));
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'expired', failure, receiverAnnounces: true });
  });

  test('the receiver says that it failed: nobody is asked, transfers are cancelled', () => {
    const walk = start().send(added(0), told('expired'));
    expect(walk.state).toBe('aborting.draining');
    expect(walk.take()).toEqual([['startTransfer', { batch: 0 }], cancelTransfers(failure)]);
    walk.send(aborted(0));
    expect(walk.take()).toEqual(over);
    expect(walk.context).toMatchObject({ end: 'expired', failure, receiverAnnounces: true });
  });

  test('P12, P14: the receiver is lost → the sender announces the end, with the reason', () => {
    const walk = start().send(added(0), lost);
    expect(walk.take()).toEqual([['startTransfer', { batch: 0 }], cancelTransfers(lost.failure), ['sendAbort']]);
    walk.send(unreachable, aborted(0));
    expect(walk.take()).toEqual(over);
    expect(walk.context).toMatchObject({ end: 'failed', failure: lost.failure, receiverAnnounces: false });
  });

  test('P12: the receiver seemed unreachable, then reports an end → that end holds', () => {
    const walk = start().send(added(0), lost, unreachable, ready, aborted(0));
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'ready', failure: null, receiverAnnounces: true });
  });

  test('P12: an unanswered abort crosses ready → the request is ready, without a reason', () => {
    const walk = start().send(added(0), cancel, ready, unreachable, aborted(0));
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'ready', failure: null, receiverAnnounces: true });
  });

  test('P12: a silent receiver, and not in doubt → the sender announces failed', () => {
    const cancelled = start().send(added(0), cancel, unreachable, aborted(0, true, true));
    expect(cancelled.context).toMatchObject({ end: 'failed', failure: { code: 'receiver_lost' } });
    expect(cancelled.take().slice(-3)).toEqual(over);
    const refused = start().send(added(0, true), aborted(0), unreachable);
    expect(refused.context).toMatchObject({ end: 'failed', failure });
  });

  test('P12: the receiver never received a message, or is proven dead → any end', () => {
    const walk = start().send(added(0, true), cancel, aborted(0, true, true), certain);
    expect(walk.take().slice(-3)).toEqual(over);
    expect(walk.context).toMatchObject({ end: 'cancelled', failure: otherFailure, receiverAnnounces: false });
  });

  test('P4: the first wish is the one that counts', () => {
    const walk = start().send(added(0), aborted(0), cancel, unreachable);
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure });
  });
});

describe('doubt', () => {
  const doubts = [
    ['a message that may complete it has no answer', [added(0, true), lost, aborted(0, true, true)]],
    ['the sender has agreed to the end of the receiver', [added(0), agreed, lost, aborted(0)]],
  ] as const;

  test.each(doubts)('P12: %s → nothing is announced, it asks', (_, events) => {
    const walk = start().send(...events);
    walk.take();
    walk.send(unreachable);
    expect(walk.state).toBe('aborting.doubting');
    expect(walk.take()).toEqual([['resolveDoubt']]);
    const learned = new Walk(requestMachine, input).send(...events, unreachable, acknowledged('ready'));
    expect(learned.context).toMatchObject({ end: 'ready', failure: null, receiverAnnounces: true });
    const dead = new Walk(requestMachine, input).send(...events, unreachable, certain);
    expect(dead.context).toMatchObject({ end: 'failed', failure: lost.failure, receiverAnnounces: false });
  });

  test('P12: the end never becomes known → the request ends, nothing is announced', () => {
    const { actor, pass, take } = run(requestMachine, input);
    for (const event of [added(0, true), lost, aborted(0, true, true), unreachable]) actor.send(event);
    take();
    pass(69_999);
    expect(take()).toEqual([]);
    pass(1);
    expect(take()).toEqual([['reportUnknown'], ['reportEnded']]);
    expect(actor.getSnapshot()).toMatchObject({
      value: 'unknown',
      context: { end: 'failed', receiverAnnounces: false },
    });
  });

  test('P12: an unanswered message before the last batch completes nothing', () => {
    const walk = start().send(added(0), lost, aborted(0, true, true), unreachable);
    expect(walk.context).toMatchObject({ end: 'failed', failure: lost.failure, receiverAnnounces: false });
  });

  test('P12, P17: no message of a sender completes a request over several ranks', () => {
    const ranked = () => new Walk(requestMachine, { ...input, hasRanks: true }).send(added(0, true));
    const walk = ranked().send(lost, aborted(0, true, true), unreachable);
    expect(walk.context).toMatchObject({ end: 'failed', receiverAnnounces: false });
    expect(ranked().send(agreed, lost, aborted(0), unreachable).state).toBe('aborting.doubting');
  });
});

describe('time', () => {
  const expired = { code: 'deadline_exceeded', message: 'request r did not end within 10000 ms' };

  test('a put without time left at its turn → it expires, and the reason says so', () => {
    const { actor, pass } = run(requestMachine, { ...input, timeoutMs: 0 });
    actor.send(added(0, true));
    pass(1);
    const message = 'request r had no time left when its turn came: timeoutMs counts from the arrival of the put';
    expect(actor.getSnapshot().context.wish).toEqual({ end: 'expired', failure: { ...expired, message } });
  });

  test('P7: open: after timeoutMs the request is given up as expired', () => {
    const { actor, pass, take } = run(requestMachine, input);
    actor.send(added(0));
    take();

    const others = () => take().filter(([name]) => name !== 'inquire');
    pass(9_999);
    expect(others()).toEqual([]);
    pass(1);
    expect(others()).toEqual([cancelTransfers(expired), ['sendAbort']]);
    actor.send(unreachable);
    actor.send(aborted(0));
    expect(take()).toEqual(over);
    expect(actor.getSnapshot().context).toMatchObject({
      end: 'failed',
      failure: { code: 'receiver_lost', message: expect.stringContaining('ends failed, not expired') },
      receiverAnnounces: false,
    });
  });

  test('P25: before the last batch is put, it asks about batches that wait', () => {
    const { actor, pass, take } = run(requestMachine, input);
    actor.send(added(0));
    take();
    pass(100);
    expect(take()).toEqual([['inquire']]);
  });

  test('P7: a message runs into the deadline first → the request expires all the same', () => {
    const late = { code: 'deadline_exceeded', message: 'agent decode-1 did not answer allocate in time' } as const;
    const abortedLate: RequestEvent = { ...aborted(0), failure: late } as RequestEvent;
    const walk = start().send(added(0, true), abortedLate, acknowledged('expired'));
    expect(walk.context).toMatchObject({
      wish: { end: 'expired', failure: expired },
      end: 'expired',
      failure: expired,
    });
  });

  test('P7: settling → it asks the receiver again and again, and the deadline runs on', () => {
    const { actor, pass, take } = run(requestMachine, input);
    pass(9_750);
    actor.send(added(0, true));
    actor.send(committed(0));
    take();

    pass(99);
    expect(take()).toEqual([]);
    pass(1);
    expect(take()).toEqual([['inquire']]);
    pass(100);
    expect(take()).toEqual([['inquire']]);
    pass(50);
    expect(take()).toEqual([cancelTransfers(expired), ['sendAbort']]);
  });

  test('P7: a request that waits for its next batch is given up by its deadline too', () => {
    const { actor, pass, take } = run(requestMachine, input);
    actor.send(added(0));
    actor.send(committed(0));
    take();
    pass(10_000);
    expect(take().slice(-2)).toEqual([cancelTransfers(expired), ['sendAbort']]);
  });
});

describe('over every order of events', () => {
  type Move =
    | { do: 'add'; last: boolean }
    | { do: 'commit' | 'abort'; which: number; drained: boolean }
    | { do: 'cancel' | 'lose' | 'wait' | 'unreachable' | 'acknowledge' }
    | { do: 'tell'; end: End };

  const move: fc.Arbitrary<Move> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), last: fc.boolean() }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('commit' as const, 'commit' as const, 'abort' as const),
        which: fc.nat(3),
        drained: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'cancel' as const,
          'lose' as const,
          'wait' as const,
          'unreachable' as const,
          'acknowledge' as const,
        ),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('tell' as const),
        end: fc.constantFrom<End>('ready', 'failed', 'cancelled', 'expired'),
      }),
    },
  );

  /** What surrounds a request: transfers that it started, and a receiver that records one end. */
  function live(moves: readonly Move[]) {
    const walk = start();
    const active: number[] = [];
    let batches = 0;
    let lastIn = false;
    let recorded: End | undefined;
    let heard = false;
    let asked = false;
    let answered = false;

    const send = (event: RequestEvent) => {
      walk.send(event);
      for (const [name] of walk.take()) {
        counts.set(name, (counts.get(name) ?? 0) + 1);
        if (name === 'sendAbort') asked = true;
      }
    };
    const counts = new Map<string, number>();
    const answer = (end: End | undefined) => {
      if (!asked || answered) return;
      answered = true;
      if (end !== undefined && !walk.isOver) heard = true;
      send(end === undefined ? unreachable : acknowledged(end));
    };
    const finish = (which: number, how: (batch: number) => RequestEvent) => {
      const [batch] = active.splice(which % Math.max(1, active.length), 1);
      if (batch !== undefined) send(how(batch));
    };
    const act = (next: Move): void => {
      switch (next.do) {
        case 'add':
          if (walk.state !== 'running.open' || lastIn) return;
          active.push(batches);
          lastIn = next.last;
          batches += 1;
          send(added(batches - 1, next.last));
          return;
        case 'commit':
          finish(next.which, committed);
          return;
        case 'abort':
          finish(next.which, (batch) => aborted(batch, next.drained));
          return;
        case 'cancel':
          send(cancel);
          return;
        case 'lose':
          send(lost);
          return;
        case 'wait':
          send({ type: 'xstate.after.deadline.request.running' } as unknown as RequestEvent);
          return;
        case 'unreachable':
          answer(undefined);
          return;
        case 'acknowledge':
          recorded ??= walk.context.wish?.end ?? 'failed';
          answer(recorded);
          return;
        case 'tell':
          recorded ??= next.end;
          if (!walk.isOver) heard = true;
          send(recorded === 'ready' ? ready : told(recorded));
          return;
      }
    };
    for (const next of moves) act(next);
    // Time passes: the deadline, the answer to the abort, and the drain of each transfer.
    act({ do: 'wait' });
    answer(recorded);
    while (active.length > 0) act({ do: 'abort', which: 0, drained: true });
    return { walk, counts, recorded, heard };
  }

  test('P12: P7: it ends in exactly one of the four ways, once, and tells once', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 25, size: 'max' }), (moves) => {
        const { walk, counts } = live(moves);
        expect(walk.state).toBe('ended');
        expect(['ready', 'failed', 'cancelled', 'expired']).toContain(walk.context.end);
        expect(walk.context.failure === null, 'a reason unless ready').toBe(walk.context.end === 'ready');
        expect(walk.context.active).toBe(0);
        const once = ['announce', 'reportEnded', 'sendDrained'].map((name) => counts.get(name));
        expect(once).toEqual([1, 1, 1]);
        expect(counts.get('sendAbort') ?? 0).toBeLessThanOrEqual(1);
        expect(counts.get('startTransfer') ?? 0).toBe(walk.context.batches);
      }),
      { numRuns: runs(2000) },
    );
  });

  test('P12: what the receiver said is how it ended, and then the sender is silent', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 25, size: 'max' }), (moves) => {
        const { walk, recorded, heard } = live(moves);
        expect(walk.context.receiverAnnounces).toBe(heard);
        if (heard) expect(walk.context.end).toBe(recorded);
      }),
      { numRuns: runs(2000) },
    );
  });
});
