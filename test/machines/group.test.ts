/** One request over several ranks: when it is ready, and its one end. */
import { describe, expect, test } from 'vitest';
import { type GroupEvent, groupMachine } from '../../machines/group.js';
import { failure, otherFailure, run, Walk } from './support.js';

const receivers = ['d0', 'd1', 'd2'];
const input = { request: 'r', receivers, timeoutMs: 1000 };

/** Every rank is there, and the sender of rank 0 has announced no end. */
const prepared = { prepare: { type: 'ranks.prepared' } } as const;
const present = { ...prepared, decide: { type: 'end.certain' } } as const;
const told = { tellRanks: { type: 'ranks.told' } } as const;

const completed = (rank: number): GroupEvent => ({ type: 'rank.completed', rank });
const failed = (rank: number, end: 'failed' | 'cancelled' | 'expired' = 'failed'): GroupEvent => ({
  type: 'rank.failed',
  rank,
  end,
  failure,
});

describe('ready', () => {
  test('P17: when every rank is complete, in any order, however often each says so', () => {
    const walk = new Walk(groupMachine, input, present).send(completed(2), completed(0), completed(2), completed(0));
    expect(walk.state).toBe('open.collecting');
    expect(walk.take()).toEqual([]);
    walk.send(completed(1));
    expect(walk.state).toBe('telling');
    expect(walk.context).toMatchObject({ ranks: ['complete', 'complete', 'complete'], end: 'ready', failure: null });
  });

  test('P17: every rank receives the end before it is announced', () => {
    const walk = new Walk(groupMachine, input, present).send(completed(0), completed(1), completed(2));
    expect(walk.take()).toEqual([['tellRanks']]);
    walk.send({ type: 'ranks.told' });
    expect(walk.take()).toEqual([['announce']]);
    expect(walk.state).toBe('ready');
    expect(walk.isOver).toBe(true);
  });

  test('P6, P17: a message while the ranks are notified changes nothing', () => {
    const walk = new Walk(groupMachine, input, present).send(completed(0), completed(1), completed(2));
    walk.take();
    walk.send(failed(1), { type: 'end.announced', end: 'failed', failure });
    expect(walk.state).toBe('telling');
    expect(walk.context).toMatchObject({ end: 'ready', failure: null });
    walk.send({ type: 'group.end', end: 'cancelled', failure });
    expect(walk.take()).toEqual([['reportUnexpected']]);
  });
});

describe('one rank does not succeed', () => {
  test.each(['failed', 'cancelled', 'expired'] as const)('P17, T13: %s: so is the whole, once', (end) => {
    const walk = new Walk(groupMachine, input, { ...present, ...told }).send(completed(0), failed(2, end));
    expect(walk.isOver).toBe(true);
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end, failure });
    expect(walk.take()).toEqual([['announce']]);
  });

  test('P17: the announcement does not wait for silent ranks', () => {
    const walk = new Walk(groupMachine, input, present).send(failed(2));
    expect(walk.take()).toEqual([['announce'], ['tellRanks']]);
  });

  test('P17: the caller cancels it', () => {
    const walk = new Walk(groupMachine, input, present).send({ type: 'group.end', end: 'cancelled', failure });
    expect(walk.context).toMatchObject({ end: 'cancelled', failure });
  });

  test('P7, P17: a rank never comes: it expires, and says how many have', () => {
    const { actor, pass, effects } = run(groupMachine, input, { ...present, ...told });
    pass(900);
    actor.send(completed(0));
    pass(99);
    expect(effects).toEqual([]);
    pass(1);
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', value: 'ended', context: { end: 'expired' } });
    expect(actor.getSnapshot().context.failure).toEqual({
      code: 'deadline_exceeded',
      message: '1 of 3 ranks of request r were complete within 1000 ms',
    });
  });
});

describe('turns', () => {
  const came = (rank: number): GroupEvent => ({ type: 'rank.came', rank });
  const admitted = (rank: number): GroupEvent => ({ type: 'rank.admitted', rank });
  const turn = (receiver: string) => ['giveTurn', { receiver }];

  test('P22: no receiver has its turn before every rank has come', () => {
    const walk = new Walk(groupMachine, input).send(came(2), came(0), came(0));
    expect(walk.take()).toEqual([]);
    walk.send(came(1));
    expect(walk.take()).toEqual([turn('d0')]);
    expect(walk.context).toMatchObject({ ranks: ['held', 'held', 'held'], turn: 'd0' });
  });

  test('P22: turns follow the names of the receivers, whatever the order of the ranks', () => {
    const other = { ...input, receivers: ['d2', 'd1', 'd0'] };
    const walk = new Walk(groupMachine, other).send(came(0), came(1), came(2));
    walk.send(admitted(2), admitted(1), admitted(0));
    expect(walk.take()).toEqual([turn('d0'), turn('d1'), turn('d2')]);
  });

  test('P22: ranks at one receiver have their turn together, once', () => {
    const walk = new Walk(groupMachine, { ...input, receivers: ['d1', 'd0', 'd1'] });
    walk.send(came(0), came(1), came(2), admitted(1));
    expect(walk.take()).toEqual([turn('d0'), turn('d1')]);
    walk.send(admitted(0), came(0), completed(0), admitted(0));
    expect(walk.take()).toEqual([]);
    expect(walk.context.ranks).toEqual(['complete', 'admitted', 'held']);
  });

  test('P22: a rank that is complete counts as admitted', () => {
    const walk = new Walk(groupMachine, input).send(came(0), came(1), came(2), completed(0));
    expect(walk.take()).toEqual([turn('d0'), turn('d1')]);
  });
});

describe('before it is ready', () => {
  const complete = [completed(0), completed(1), completed(2)];

  test('P22: every rank is asked once more', () => {
    const walk = new Walk(groupMachine, input).send(...complete);
    expect(walk.state).toBe('open.preparing');
    expect(walk.take()).toEqual([['prepare']]);
    walk.send({ type: 'ranks.prepared' });
    expect(walk.state).toBe('open.deciding');
    expect(walk.take()).toEqual([['decide']]);
  });

  test('P22: a rank is not there any more → it fails', () => {
    const walk = new Walk(groupMachine, input).send(...complete, failed(1), { type: 'ranks.prepared' });
    expect(walk.state).toBe('open.deciding');
    walk.send({ type: 'end.certain' });
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure });
  });

  test('P7: its time passes while the ranks are asked → it expires', () => {
    const walk = new Walk(groupMachine, input).send(...complete).elapse('deadline', 'open');
    walk.send({ type: 'ranks.prepared' }, { type: 'end.certain' });
    expect(walk.state).toBe('ended');
    expect(walk.context.end).toBe('expired');
  });

  test('P17: it is cancelled while the ranks are asked', () => {
    const walk = new Walk(groupMachine, input).send(...complete, { type: 'group.end', end: 'cancelled', failure });
    walk.send({ type: 'end.certain' });
    expect(walk.context).toMatchObject({ end: 'cancelled', failure });
  });

  test('P12, P17: an end that the sender of rank 0 has announced holds', () => {
    const announced: GroupEvent = { type: 'end.announced', end: 'failed', failure };
    const walk = new Walk(groupMachine, input, prepared).send(...complete, announced);
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure, announcedBySender: true });
  });

  test('P12, P17: the sender of rank 0 does not agree → the request fails', () => {
    const refused = { type: 'end.refused', failure: otherFailure } as const;
    const complete3 = new Walk(groupMachine, input, prepared).send(...complete, refused);
    expect(complete3.state).toBe('ended');
    expect(complete3.context).toMatchObject({ end: 'failed', failure: otherFailure, announcedBySender: false });
    const failed1 = new Walk(groupMachine, input).send(failed(1), refused);
    expect(failed1.context).toMatchObject({ end: 'failed', failure });
  });

  test('P17: a rank fails while the sender of rank 0 is asked: that is the end', () => {
    const walk = new Walk(groupMachine, input, prepared).send(...complete, failed(1), { type: 'end.certain' });
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure });
  });

  test('P12: the first failure is the one that is asked about', () => {
    const other: GroupEvent = { type: 'rank.failed', rank: 2, end: 'cancelled', failure: otherFailure };
    const walk = new Walk(groupMachine, input).send(failed(1), other, { type: 'end.certain' });
    expect(walk.context).toMatchObject({ end: 'failed', failure });
  });

  test('P7: its time passes while the sender of rank 0 is asked → it expires', () => {
    const walk = new Walk(groupMachine, input, prepared).send(...complete).elapse('deadline', 'open');
    walk.send({ type: 'end.certain' });
    expect(walk.context.end).toBe('expired');
  });
});
