/** One request over several ranks: when it is ready, and its one end. */
import { describe, expect, test } from 'vitest';
import { type GroupEvent, groupMachine } from '../../machines/group.js';
import { failure, otherFailure, run, Walk } from './support.js';

const input = { request: 'r', size: 3, timeoutMs: 1000 };

/** Nothing stands against the end: this agent was never away. */
const present = { decide: { type: 'end.certain' } } as const;
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
    expect(walk.context).toMatchObject({ complete: [2, 0, 1], end: 'ready', failure: null });
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

describe('after an absence', () => {
  const complete = [completed(0), completed(1), completed(2)];

  test('P12, P17: it asks first', () => {
    const walk = new Walk(groupMachine, input).send(...complete);
    expect(walk.state).toBe('open.deciding');
    expect(walk.take()).toEqual([['decide']]);
  });

  test('P12, P17: an end that the sender of rank 0 has announced holds', () => {
    const walk = new Walk(groupMachine, input).send(...complete, { type: 'end.announced', end: 'failed', failure });
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure, announcedBySender: true });
  });

  test('P12, P17: the sender of rank 0 does not agree → the request fails', () => {
    const refused = { type: 'end.refused', failure: otherFailure } as const;
    const complete3 = new Walk(groupMachine, input).send(...complete, refused);
    expect(complete3.state).toBe('ended');
    expect(complete3.context).toMatchObject({ end: 'failed', failure: otherFailure, announcedBySender: false });
    const failed1 = new Walk(groupMachine, input).send(failed(1), refused);
    expect(failed1.context).toMatchObject({ end: 'failed', failure });
  });

  test('P12, P17: ranks whose word may be out of date have to say it again', () => {
    const walk = new Walk(groupMachine, input).send(...complete, { type: 'ranks.doubted', ranks: [0, 2] });
    expect(walk.state).toBe('open.collecting');
    expect(walk.context).toMatchObject({ complete: [1], end: null });
    walk.send({ type: 'end.certain' });
    expect(walk.state).toBe('open.collecting');
    walk.send(completed(0), completed(2), { type: 'end.certain' });
    expect(walk.context.end).toBe('ready');
  });

  test('P17: a rank fails while it asks: that is the end', () => {
    const walk = new Walk(groupMachine, input).send(...complete, failed(1), { type: 'end.certain' });
    expect(walk.state).toBe('ended');
    expect(walk.context).toMatchObject({ end: 'failed', failure });
  });

  test('P12: the first failure is the one that is asked about', () => {
    const walk = new Walk(groupMachine, input).send(failed(1), {
      type: 'rank.failed',
      rank: 2,
      end: 'cancelled',
      failure: otherFailure,
    });
    walk.send({ type: 'ranks.doubted', ranks: [0] }, { type: 'end.certain' });
    expect(walk.context).toMatchObject({ end: 'failed', failure });
  });

  test('P7: its time passes while it asks', () => {
    const walk = new Walk(groupMachine, input).send(...complete).elapse('deadline', 'open');
    walk.send({ type: 'end.certain' });
    expect(walk.context.end).toBe('expired');
  });
});
