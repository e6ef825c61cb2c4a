/** Receiver side of one prompt: what is counted, when it is ready, and its one end. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type IngestEvent, ingestMachine } from '../../machines/ingest.js';
import { runs } from '../support/thorough.js';
import { failure, otherFailure, run, Walk } from './support.js';

const input = { request: 'r', epoch: 'e', sender: 'prefill-1', totalChunks: 4, timeoutMs: 1000, rank: null };

/** The sender agrees to every end. */
const agreeing = { decide: { type: 'end.agreed' } } as const;

const start = () => new Walk(ingestMachine, input, agreeing);

interface Counts {
  readonly written?: number;
  readonly ready?: number;
  readonly joined?: number;
}

const allocated = (batch: number, last: boolean, { written = 0, ready = 0, joined = 0 }: Counts): IngestEvent => ({
  type: 'batch.allocated',
  batch,
  last,
  written,
  ready,
  joined,
  bytes: written * 10,
  own: true,
});
const here = (batch: number, { written = 0, joined = 0 }: Counts): IngestEvent => ({
  type: 'chunks.ready',
  batch,
  written,
  joined,
  own: joined === 0,
});
const end = (how: 'failed' | 'cancelled' | 'expired'): IngestEvent => ({ type: 'ingest.end', end: how, failure });
const leasesEnded = (cause: 'released' | 'expired'): IngestEvent => ({ type: 'leases.ended', cause });

const ended = [['recordEnd'], ['announce']];
const joinedNotice = (batch: number) => ['notifyJoined', { batch }];

describe('ready', () => {
  test('a request is ready when the last batch is in and every chunk is here', () => {
    const walk = start().send(allocated(0, false, { written: 2 }), here(0, { written: 2 }));
    expect(walk.state).toBe('running.receiving');
    walk.send(allocated(1, true, { written: 1, ready: 1 }));
    expect(walk.take()).toEqual([]);

    walk.send(here(1, { written: 1 }));
    expect(walk.state).toBe('ready');
    expect(walk.take()).toEqual(ended);
    expect(walk.context).toMatchObject({
      batches: 2,
      chunks: 4,
      deduplicated: 1,
      joined: 0,
      bytes: 30,
      pending: 0,
      end: 'ready',
      failure: null,
    });
  });

  test('the last batch may come before the others', () => {
    const walk = start().send(allocated(2, true, { ready: 1 }), allocated(0, false, { ready: 1 }));
    expect(walk.state).toBe('running.receiving');
    walk.send(allocated(1, false, { ready: 2 }));
    expect(walk.state).toBe('ready');
  });

  test('S13: deduplicated chunks that are here count as complete', () => {
    const walk = start().send(allocated(0, true, { written: 1, ready: 3 }), here(0, { written: 1 }));
    expect(walk.state).toBe('ready');
    expect(walk.context).toMatchObject({ chunks: 4, deduplicated: 3, bytes: 10 });
  });

  test('S14, T14: a wholly deduplicated request is ready at once, and moved no byte', () => {
    const walk = start().send(allocated(0, true, { ready: 4 }));
    expect(walk.state).toBe('ready');
    expect(walk.effects).toEqual(ended);
    expect(walk.context).toMatchObject({ chunks: 4, deduplicated: 4, bytes: 0 });
  });

  test('P16: T14: an empty last batch completes the request', () => {
    const walk = start().send(allocated(0, false, { written: 4 }), here(0, { written: 4 }));
    expect(walk.take()).toEqual([]);
    walk.send(allocated(1, true, {}));
    expect(walk.state).toBe('ready');
    expect(walk.take()).toEqual(ended);
  });

  test('P16: T14: a request without any key is ready at once', () => {
    const walk = new Walk(ingestMachine, { ...input, totalChunks: 0 }, agreeing).send(allocated(0, true, {}));
    expect(walk.state).toBe('ready');
    expect(walk.effects).toEqual(ended);
  });

  test('P1: joined chunks are not complete before their bytes are here', () => {
    const walk = start().send(allocated(0, true, { written: 1, joined: 3 }), here(0, { written: 1 }));
    expect(walk.state).toBe('running.receiving');
    walk.send(here(0, { joined: 2 }));
    expect(walk.state).toBe('running.receiving');
    expect(walk.take()).toEqual([]);

    walk.send(here(0, { joined: 1 }));
    expect(walk.state).toBe('ready');
    expect(walk.take()).toEqual([joinedNotice(0), ...ended]);
    expect(walk.context).toMatchObject({ chunks: 4, deduplicated: 3, joined: 3, bytes: 10 });
  });

  test('P1: the sender gets one notice for each batch whose joined chunks are all ready', () => {
    const walk = start().send(allocated(0, false, { joined: 2 }), allocated(1, true, { joined: 1, written: 1 }));
    walk.send(here(1, { joined: 1 }));
    expect(walk.take()).toEqual([joinedNotice(1)]);
    walk.send(here(0, { joined: 1 }));
    expect(walk.take()).toEqual([]);
    walk.send(here(0, { joined: 1 }));
    expect(walk.take()).toEqual([joinedNotice(0)]);
    walk.send(here(1, { written: 1 }));
    expect(walk.take()).toEqual(ended);
  });
});

describe('the end', () => {
  test('P12: whatever ends it first is recorded and announced, with its reason', () => {
    for (const how of ['failed', 'cancelled', 'expired'] as const) {
      const walk = start().send(allocated(0, false, { written: 2 }), end(how));
      expect(walk.state).toBe('ended');
      expect(walk.effects).toEqual(ended);
      expect(walk.context).toMatchObject({ end: how, failure });
    }
  });

  test('P12: a request that waits for pages can be ended too', () => {
    const walk = start().send(end('cancelled'));
    expect(walk.state).toBe('ended');
    expect(walk.effects).toEqual(ended);
  });

  test('P6: T6: a request that has ended does not become ready', () => {
    const { actor, effects } = run(ingestMachine, input, agreeing);
    actor.send(allocated(0, true, { written: 4 }));
    actor.send(end('cancelled'));

    expect(actor.getSnapshot()).toMatchObject({ status: 'done', value: 'ended', context: { end: 'cancelled' } });
    expect(effects).toEqual(ended);
  });

  test('P6: another end for a ready request is reported and changes nothing', () => {
    const walk = start().send(allocated(0, true, { ready: 4 }));
    walk.take();

    walk.send({ type: 'ingest.end', end: 'cancelled', failure: otherFailure });
    expect(walk.state).toBe('ready');
    expect(walk.take()).toEqual([['reportUnexpected']]);
    expect(walk.context).toMatchObject({ end: 'ready', failure: null });
  });

  describe('the agreement of the sender', () => {
    const asking = () => new Walk(ingestMachine, input);
    /** Another request has written the last chunk. */
    const completed = () => asking().send(allocated(0, true, { ready: 3, joined: 1 }), here(0, { joined: 1 }));
    const refused: IngestEvent = { type: 'end.refused', failure: otherFailure };

    test("P12: the sender's own message completes it → ready without a question", () => {
      const committed = asking().send(allocated(0, true, { written: 4 }), here(0, { written: 4 }));
      const deduplicated = asking().send(allocated(0, true, { ready: 4 }));
      for (const walk of [committed, deduplicated]) {
        expect(walk.state).toBe('ready');
        expect(walk.take()).toEqual(ended);
      }
    });

    test('P12: another request completes it → it asks before it announces', () => {
      const walk = completed();
      expect(walk.state).toBe('deciding');
      expect(walk.take()).toEqual([joinedNotice(0), ['decide']]);
      walk.send({ type: 'end.agreed' });
      expect(walk.state).toBe('ready');
      expect(walk.take()).toEqual(ended);
    });

    test('P12: an end that the sender has announced holds, also over ready', () => {
      const walk = completed();
      walk.take();
      walk.send({ type: 'end.announced', end: 'failed', failure });
      expect(walk.state).toBe('ended');
      expect(walk.context).toMatchObject({ end: 'failed', failure, announcedElsewhere: true });
      expect(walk.take()).toEqual(ended);
    });

    test('P12: nobody agrees → it fails, whatever end it has chosen', () => {
      const ways = [completed(), asking().send(end('cancelled')), asking().send(end('expired'))];
      for (const walk of ways) {
        expect(walk.state).toBe('deciding');
        walk.send(refused);
        expect(walk.state).toBe('ended');
        expect(walk.context).toMatchObject({ end: 'failed', failure: otherFailure, announcedElsewhere: false });
      }
    });

    test('P12: nobody agrees to failed → it fails for its own reason', () => {
      const walk = asking().send(end('failed'), refused);
      expect(walk.context).toMatchObject({ end: 'failed', failure });
    });

    test('P12: the sender gives it up as failed → it fails without a question', () => {
      const walk = asking().send({ type: 'ingest.abort', failure });
      expect(walk.state).toBe('ended');
      expect(walk.take()).toEqual(ended);
      expect(walk.context).toMatchObject({ end: 'failed', failure });
    });

    test('P12: an abort that comes while it asks changes nothing', () => {
      const walk = completed();
      walk.take();
      walk.send({ type: 'ingest.abort', failure });
      expect(walk.state).toBe('deciding');
      expect(walk.take()).toEqual([['reportUnexpected']]);
    });

    test('P12: the first end that comes is the one that is asked about', () => {
      const walk = asking().send(end('expired'), { type: 'ingest.end', end: 'cancelled', failure: otherFailure });
      expect(walk.take()).toEqual([['decide'], ['reportUnexpected']]);
      walk.send({ type: 'end.agreed' });
      expect(walk.context).toMatchObject({ end: 'expired', failure });
    });
  });

  test('P15: the end of its leases ends the machine', () => {
    for (const cause of ['released', 'expired'] as const) {
      const walk = start().send(allocated(0, true, { ready: 4 }));
      walk.take();
      walk.send(leasesEnded(cause));
      expect(walk.state).toBe('released');
      expect(walk.isOver).toBe(true);
      expect(walk.take()).toEqual([['reportLeasesEnded', { cause }]]);
    }
  });
});

describe('one rank of several', () => {
  const rank = (answers = {}) => new Walk(ingestMachine, { ...input, rank: 1 }, answers);
  const arrived = () => rank().send(allocated(0, true, { ready: 4 }));

  test('P17: it has every byte: it says so, and waits for the word of the lead', () => {
    const walk = arrived();
    expect(walk.state).toBe('running.gathering');
    expect(walk.take()).toEqual([['reportAdmitted'], ['reportComplete']]);
    walk.send({ type: 'end.announced', end: 'ready', failure: null });
    expect(walk.state).toBe('ready');
    expect(walk.take()).toEqual(ended);
    expect(walk.context).toMatchObject({ end: 'ready', failure: null, announcedElsewhere: true });
  });

  test('P22: it is held until its turn, and then waits for pages', () => {
    const walk = rank().send({ type: 'batch.held' });
    expect(walk.state).toBe('running.held');
    walk.send({ type: 'batch.queued' });
    expect(walk.state).toBe('running.waiting');
    walk.send(allocated(0, true, { written: 4 }));
    expect(walk.state).toBe('running.receiving');
    expect(walk.take()).toEqual([['reportHeld'], ['reportAdmitted']]);
  });

  test('P22: it is admitted at once when its turn comes', () => {
    const walk = rank().send({ type: 'batch.held' }, { type: 'batch.held' }, allocated(0, true, { written: 4 }));
    expect(walk.state).toBe('running.receiving');
    expect(walk.take()).toEqual([['reportHeld'], ['reportAdmitted']]);
  });

  test.each(['failed', 'cancelled', 'expired'] as const)('P17: it is complete, and the whole is %s', (how) => {
    const walk = arrived().send({ type: 'end.announced', end: how, failure });
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: how, failure, announcedElsewhere: true });
  });

  test('P17: the word can come before it is complete', () => {
    const walk = rank().send(allocated(0, true, { written: 4 }), { type: 'end.announced', end: 'failed', failure });
    expect(walk.state).toBe('ended');
  });

  test('P1, P17: ready is not believed of what is not complete', () => {
    const walk = rank().send(allocated(0, true, { written: 4 }), {
      type: 'end.announced',
      end: 'ready',
      failure: null,
    });
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure: { code: 'inconsistent_reply' } });
  });

  test('P17: however it wants to end, the lead decides the end', () => {
    const walk = arrived();
    walk.take();
    walk.send(end('cancelled'));
    expect(walk.state).toBe('deciding');
    expect(walk.take()).toEqual([['decide']]);
    walk.send({ type: 'end.announced', end: 'ready', failure: null });
    expect(walk.state).toBe('ready');
    expect(walk.context).toMatchObject({ end: 'ready', failure: null });
  });

  test('P17: its sender gives it up → the lead decides the end', () => {
    const walk = rank().send({ type: 'ingest.abort', failure });
    expect(walk.state).toBe('deciding');
    expect(walk.take()).toEqual([['decide']]);
  });

  test('P7, P17: its deadline passes while it waits for the others', () => {
    const { actor, pass } = run(ingestMachine, { ...input, rank: 1 }, agreeing);
    pass(900);
    actor.send(allocated(0, true, { ready: 4 }));
    pass(100);
    expect(actor.getSnapshot()).toMatchObject({ value: 'ended', context: { end: 'expired' } });
  });
});

describe('time', () => {
  const expired = { code: 'deadline_exceeded', message: 'request r was not complete within 1000 ms' };

  test('P7: T7: a request that waits for pages meets its deadline', () => {
    const { actor, pass, effects } = run(ingestMachine, input, agreeing);
    pass(999);
    expect(actor.getSnapshot().value).toEqual({ running: 'waiting' });
    pass(1);
    expect(actor.getSnapshot().value).toBe('ended');
    expect(effects).toEqual(ended);
    expect(actor.getSnapshot().context).toMatchObject({ end: 'expired', failure: expired });
  });

  test('P7: the deadline counts from the first message, not from the admission', () => {
    const { actor, pass, effects } = run(ingestMachine, input, agreeing);
    pass(900);
    actor.send(allocated(0, true, { written: 4 }));
    pass(100);
    expect(actor.getSnapshot().value).toBe('ended');
    expect(effects).toEqual(ended);
    expect(actor.getSnapshot().context).toMatchObject({ end: 'expired', failure: expired });
  });

  test('P7: a ready request has no deadline; the lease time of the store ends it', () => {
    const { actor, pass, take } = run(ingestMachine, input, agreeing);
    actor.send(allocated(0, true, { ready: 4 }));
    take();
    pass(100_000);
    expect(actor.getSnapshot().value).toBe('ready');
    actor.send(leasesEnded('expired'));
    expect(actor.getSnapshot().status).toBe('done');
    expect(take()).toEqual([['reportLeasesEnded', { cause: 'expired' }]]);
  });
});

describe('over every order of events', () => {
  /** Batches as the store allocates them, and which of the events that follow come in which order. */
  const batches = fc.array(fc.record({ written: fc.nat(2), ready: fc.nat(2), joined: fc.nat(3) }), {
    minLength: 1,
    maxLength: 4,
  });
  const story = fc.record({
    batches,
    order: fc.array(fc.nat(20), { maxLength: 40, size: 'max' }),
    endsAt: fc.option(fc.nat(20)),
  });

  test('P12, P1, S13: it ends once, ready only with every chunk; joins are reported once', () => {
    fc.assert(
      fc.property(story, ({ batches, order, endsAt }) => {
        const walk = start();
        const toCome = batches.map((_, batch) => batch);
        const pending: IngestEvent[] = [];
        const next = (pick: number): IngestEvent | undefined => {
          if (toCome.length > 0 && (pending.length === 0 || pick % 2 === 0)) {
            const [batch = 0] = toCome.splice(pick % toCome.length, 1);
            const counts = batches[batch] as Required<Counts>;
            if (counts.written > 0) pending.push(here(batch, { written: counts.written }));
            for (let index = 0; index < counts.joined; index += 1) pending.push(here(batch, { joined: 1 }));
            return allocated(batch, batch === batches.length - 1, counts);
          }
          return pending.splice(pick % Math.max(1, pending.length), 1)[0];
        };
        let step = 0;
        const picks = [...order, ...new Array<number>(40).fill(0)];
        for (const pick of picks) {
          if (step === endsAt) walk.send(end('failed'));
          const event = next(pick);
          if (event === undefined) break;
          walk.send(event);
          const done = toCome.length === 0 && pending.length === 0;
          if (!walk.isOver) expect(walk.state === 'ready', `after ${step}`).toBe(done);
          step += 1;
        }
        const names = walk.effects.map(([name]) => name);
        expect(names.filter((name) => name === 'recordEnd')).toEqual(['recordEnd']);
        expect(names.filter((name) => name === 'announce')).toEqual(['announce']);
        expect(['ready', 'ended']).toContain(walk.state);
        if (walk.state !== 'ready') return;
        const total = (kind: keyof Counts) => batches.reduce((sum, batch) => sum + batch[kind], 0);
        expect(walk.context).toMatchObject({
          batches: batches.length,
          chunks: total('written') + total('ready') + total('joined'),
          deduplicated: total('ready') + total('joined'),
          joined: total('joined'),
          bytes: total('written') * 10,
          pending: 0,
        });
        const told = walk.effects.filter(([name]) => name === 'notifyJoined').map(([, params]) => params);
        const owed = batches.flatMap(({ joined }, batch) => (joined > 0 ? [{ batch }] : []));
        expect(told).toHaveLength(owed.length);
        expect(told).toEqual(expect.arrayContaining(owed));
      }),
      { numRuns: runs(2000) },
    );
  });
});
