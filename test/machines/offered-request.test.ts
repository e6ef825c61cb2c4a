/** T29: a request that was put without a receiver, until a router names it or the request ends. */
import { describe, expect, test } from 'vitest';
import { type RequestEvent, requestMachine } from '../../machines/request.js';
import { failure, otherFailure, Walk } from './support.js';

const input = {
  request: 'r',
  epoch: 'e',
  receiver: null,
  totalChunks: 4,
  timeoutMs: 10_000,
  inquireIntervalMs: 100,
  tombstoneMs: 60_000,
  hasRanks: false,
};

const start = () => new Walk(requestMachine, input);

const added = (batch: number, last = false): RequestEvent => ({ type: 'batch.added', batch, chunks: 2, last });
const routed: RequestEvent = { type: 'request.routed', receiver: 'decode-1', timeoutMs: 3000, hasRanks: true };
const cancel: RequestEvent = { type: 'request.cancel', failure };
const agreed: RequestEvent = { type: 'confirm.agreed' };
const offerOver = [['releaseOffered'], ['sendDrained'], ['announce'], ['reportEnded']];
const expired = {
  code: 'deadline_exceeded',
  message: 'no router named the receiver of request r within 10000 ms: send route',
};

describe('T29: an offered request', () => {
  test('batches come before the route → no transfer starts', () => {
    const walk = start().send(added(0), added(1, true));
    expect([walk.state, walk.take()]).toEqual(['offered', []]);
    expect(walk.context).toMatchObject({ batches: 2, chunks: 4, lastIn: true, active: 0, receiver: null });
  });

  test('a route comes → every batch starts, under its receiver and time limit', () => {
    const walk = start().send(added(0), added(1, true), routed);
    expect([walk.state, walk.take()]).toEqual(['running.open', [['startTransfers']]]);
    expect(walk.context).toMatchObject({ active: 2, receiver: 'decode-1', timeoutMs: 3000, hasRanks: true });
    walk.send({ type: 'transfer.committed', batch: 0 }, { type: 'transfer.committed', batch: 1 });
    expect(walk.state).toBe('running.settling');
  });

  test('a batch comes after the route → it starts a transfer of its own', () => {
    const walk = start().send(added(0), routed, added(1, true));
    expect(walk.take()).toEqual([['startTransfers'], ['startTransfer', { batch: 1 }]]);
    expect(walk.context.active).toBe(2);
  });

  test('a second route comes → it changes nothing', () => {
    const walk = start().send(added(0, true), routed, { ...routed, receiver: 'decode-2' });
    expect(walk.take()).toEqual([['startTransfers'], ['reportUnexpected']]);
    expect(walk.context.receiver).toBe('decode-1');
  });

  test('no route comes in time → expired, and its memory comes back', () => {
    const walk = start().send(added(0, true)).elapse('deadline', 'offered');
    expect([walk.state, walk.take()]).toEqual(['ended', offerOver]);
    expect(walk.context).toMatchObject({ end: 'expired', failure: expired, receiverAnnounces: false });
  });

  test('cancelled → cancelled, and its memory comes back', () => {
    const walk = start().send(added(0, true), cancel);
    expect([walk.state, walk.take()]).toEqual(['ended', offerOver]);
    expect(walk.context).toMatchObject({ end: 'cancelled', failure, receiverAnnounces: false });
  });

  test('the lead of its ranks may announce the end → it announces none', () => {
    for (const last of [cancel, undefined]) {
      const walk = start().send(added(0, true), agreed);
      if (last === undefined) walk.elapse('deadline', 'offered');
      else walk.send(last);
      expect([walk.state, walk.context.receiverAnnounces]).toEqual(['ended', true]);
    }
  });

  test('withdrawn → failed, and it announces nothing', () => {
    const walk = start().send(added(0, true), { type: 'request.withdrawn', failure: otherFailure });
    expect([walk.state, walk.take()]).toEqual(['ended', offerOver]);
    expect(walk.context).toMatchObject({ end: 'failed', failure: otherFailure, receiverAnnounces: true });
  });

  test('its time is over after the route → it expires as any other request', () => {
    const walk = start().send(added(0, true), routed).elapse('deadline', 'running');
    expect(walk.context.wish).toEqual({
      end: 'expired',
      failure: { code: 'deadline_exceeded', message: 'request r did not end within 3000 ms' },
    });
  });
});
