/** The link of one rank to the lead of its request: what it reports, and when it gives the lead up. */
import { describe, expect, test } from 'vitest';
import { type RankEvent, rankMachine } from '../../machines/rank.js';
import { failure, otherFailure, run, Walk } from './support.js';

const input = { timeoutMs: 1000, intervalMs: 100, searchMs: 250, appeals: false };
const changed = (state: 'held' | 'running' | 'complete'): RankEvent => ({ type: 'rank.changed', state, reason: null });
const ready: RankEvent = { type: 'end.decided', end: 'ready', failure: null };
const lost = (proven: boolean): RankEvent => ({ type: 'lead.lost', failure, proven });
const answered: RankEvent = { type: 'report.ended' };
const walk = () => new Walk(rankMachine, input).send(changed('held'));

describe('reports', () => {
  test('P17: every change is reported at once', () => {
    const link = walk().send(changed('running'), changed('complete'));
    expect(link.take()).toEqual([['report'], ['report'], ['report']]);
    expect(link.context.status).toEqual({ state: 'complete', reason: null });
  });

  test('P17, P25: a report is repeated every interval, unless one is on its way', () => {
    const { actor, pass, take } = run(rankMachine, input);
    actor.send(changed('held'));
    expect(take()).toEqual([['report']]);
    pass(250);
    expect(take()).toEqual([]);
    actor.send(answered);
    pass(250);
    expect(take()).toEqual([['report']]);
    actor.send(answered);
    pass(100);
    expect(take()).toEqual([['report']]);
  });

  test('P22: the turn of the rank is passed on', () => {
    const link = walk();
    link.take();
    link.send({ type: 'turn.given', epochs: ['e0', 'e1'] });
    expect(link.take()).toEqual([['takeTurn', { epochs: ['e0', 'e1'] }]]);
  });
});

describe('the decision', () => {
  test('P17: it is delivered once, however often it comes', () => {
    const link = walk();
    link.take();
    link.send(ready, ready, { type: 'end.decided', end: 'failed', failure });
    expect(link.take()).toEqual([['deliver', { end: 'ready', failure: null }]]);
    expect(link.isOver).toBe(true);
  });

  test('P17: it may come before the first report', () => {
    const link = new Walk(rankMachine, input).send(ready);
    expect(link.take()).toEqual([['deliver', { end: 'ready', failure: null }]]);
    expect(link.isOver).toBe(true);
  });

  test('P17: a link that was closed delivers nothing', () => {
    const link = walk();
    link.take();
    link.send({ type: 'rank.close' }, ready);
    expect(link.take()).toEqual([]);
    expect(link.state).toBe('closed');
  });
});

describe('the lead is gone', () => {
  test('P17: the rank gives up once, and reports its failure until the deadline', () => {
    const { actor, pass, take } = run(rankMachine, input, { report: answered });
    actor.send(changed('complete'));
    actor.send(lost(false));
    actor.send(lost(true));
    expect(take()).toEqual([['giveUp', { failure, proven: false }]]);
    expect(actor.getSnapshot()).toMatchObject({
      value: { live: { alone: 'reporting' } },
      context: { status: { state: 'failed' } },
    });
    pass(1000);
    expect(actor.getSnapshot().status).toBe('done');
    expect(take()).toEqual([]);
  });

  test('P17: a decision that comes after that is not delivered', () => {
    const link = walk().send(lost(false));
    link.take();
    link.send(ready);
    expect(link.take()).toEqual([]);
    expect(link.isOver).toBe(true);
  });

  test('P12, P17: the rank asks for another end → without the lead it is failed', () => {
    const link = walk().send({ type: 'rank.changed', state: 'cancelled', reason: otherFailure }, lost(false));
    expect(link.context.status).toEqual({ state: 'failed', reason: failure });
  });

  test('P17: the rank has failed → it goes on reporting its own reason', () => {
    const link = walk().send({ type: 'rank.changed', state: 'failed', reason: otherFailure }, lost(false));
    expect(link.context.status).toEqual({ state: 'failed', reason: otherFailure });
  });

  test('P17: the deadline has passed → it looks for the next process of the lead', () => {
    const { actor, pass, take } = run(rankMachine, input, { report: answered });
    actor.send(changed('complete'));
    actor.send({ type: 'rank.prepared' });
    actor.send(lost(false));
    pass(1000);
    expect(take()).toEqual([['giveUp', { failure, proven: false }]]);
    pass(249);
    expect(actor.getSnapshot().value).toEqual({ live: { alone: 'reporting' } });
    pass(1);
    expect(actor.getSnapshot().status).toBe('done');
  });

  test('P17: the lead refuses the rank → no report any more', () => {
    const link = walk();
    link.take();
    link.send({ type: 'lead.refused', failure });
    expect(link.take()).toEqual([['giveUp', { failure, proven: true }]]);
    link.send({ type: 'lead.refused', failure });
    expect(link.isOver).toBe(true);
  });

  test('P17: another rank → it appeals to the sender of rank 0, and then gives up', () => {
    const link = new Walk(rankMachine, { ...input, appeals: true }).send(changed('complete'));
    link.take();
    link.send(lost(false), changed('complete'), { type: 'rank.prepared' });
    expect(link.take()).toEqual([['appeal'], ['reportUnexpected']]);
    expect(link.state).toBe('live.appealing');
    link.send({ type: 'appeal.ended' });
    expect(link.take()).toEqual([['giveUp', { failure, proven: false }]]);
    expect(link.context.status).toEqual({ state: 'failed', reason: failure });
  });

  test('P17: the sender of rank 0 reports the end → delivered, the lead learns of it', () => {
    const { actor, pass, take } = run(rankMachine, { ...input, appeals: true }, { report: answered });
    actor.send(changed('complete'));
    actor.send({ type: 'lead.refused', failure });
    actor.send({ type: 'end.decided', end: 'expired', failure: otherFailure });
    expect(take()).toEqual([['appeal'], ['deliver', { end: 'expired', failure: otherFailure }]]);
    actor.send({ type: 'appeal.ended' });
    expect(actor.getSnapshot()).toMatchObject({
      value: { live: { alone: 'reporting' } },
      context: { status: { state: 'failed' } },
    });
    pass(1000);
    expect(take()).toEqual([]);
    expect(actor.getSnapshot().status).toBe('done');
  });

  test('P22: a rank that has confirmed waits for a silent lead until its deadline', () => {
    const link = walk().send(changed('complete'), { type: 'rank.prepared' }, lost(false));
    link.take();
    expect(link.state).toBe('live.following');
    link.elapse('deadline', 'live').send(lost(false));
    expect(link.take()).toEqual([['giveUp', { failure, proven: false }]]);
    expect(link.state).toBe('live.alone.reporting');
  });

  test('P22: a rank that has confirmed gives up a lead that is proven dead', () => {
    const link = walk().send(changed('complete'), { type: 'rank.prepared' }, lost(true));
    expect(link.state).toBe('live.alone.reporting');
  });
});
