import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Arrivals } from '../../src/control/nats-arrivals.js';
import { collectGarbage } from '../support/collect-garbage.js';

function deliveries(arrivals: Arrivals, count: number, each: (number: number) => void = () => undefined): number[] {
  const delivered: number[] = [];
  for (let number = 0; number < count; number += 1) {
    arrivals.add(() => {
      delivered.push(number);
      each(number);
    });
  }
  return delivered;
}

describe('P28: the messages that one read of the socket brings', () => {
  // A busy machine takes no time of a turn.
  beforeEach(() => void vi.spyOn(performance, 'now').mockReturnValue(0));
  afterEach(() => void vi.restoreAllMocks());

  test('short work → all are delivered in the turn in which they arrive', () => {
    expect(deliveries(new Arrivals(), 64)).toHaveLength(64);
  });

  test('work of more than 5 ms → the others wait for later turns, in their order', async () => {
    const clock = vi.mocked(performance.now);
    const delivered = deliveries(new Arrivals(), 5, (number) => clock.mockReturnValue(3 * (number + 1)));
    expect(delivered).toEqual([0, 1]);
    // The immediate of the turn that has delivered two: no timer has run since.
    await setImmediate();
    expect(delivered).toEqual([0, 1]);
    await setImmediate();
    expect(delivered).toEqual([0, 1, 2, 3]);
    await setImmediate();
    expect(delivered).toEqual([0, 1, 2, 3, 4]);
  });

  test('many messages → at most 64 in one turn', async () => {
    const delivered = deliveries(new Arrivals(), 100);
    expect(delivered).toHaveLength(64);
    await setImmediate();
    expect(delivered).toHaveLength(64);
    await setImmediate();
    expect(delivered).toEqual(Array.from({ length: 100 }, (_, number) => number));
  });

  test('a timer is due while messages wait → it runs before the second turn', async () => {
    const log: number[] = [];
    const timer = delay(1).then(() => log.push(-1));
    const dueMs = Date.now() + 3;
    while (Date.now() < dueMs);
    deliveries(new Arrivals(), 100, (number) => log.push(number));
    await timer;
    expect(log.indexOf(-1)).toBe(64);
  });

  test('a message behind one that waits → it waits too', async () => {
    const arrivals = new Arrivals();
    const delivered = deliveries(arrivals, 65);
    const later = deliveries(arrivals, 64);
    expect([delivered.length, later.length]).toEqual([64, 0]);
    await setImmediate();
    await setImmediate();
    expect([delivered.length, later.length]).toEqual([65, 63]);
  });

  test('more than 256 that wait → the first of them are delivered at once', () => {
    const delivered = deliveries(new Arrivals(), 64 + 256 + 10);
    expect(delivered).toEqual(Array.from({ length: 74 }, (_, number) => number));
  });

  test('more than 256 that wait → the socket pauses, and a turn delivers 64', async () => {
    const log: string[] = [];
    const stopReading = () => {
      log.push('pause');
      return () => void log.push('read');
    };
    const delivered = deliveries(new Arrivals(stopReading), 64 + 256 + 300);
    expect([delivered.length, log]).toEqual([64, ['pause']]);
    await setImmediate();
    for (let turn = 2; turn < 8; turn += 1) {
      await setImmediate();
      expect(delivered).toHaveLength(64 * turn);
    }
    expect(log).toEqual(['pause']);
    // 128 wait.
    await setImmediate();
    expect([delivered.length, log]).toEqual([512, ['pause', 'read']]);
  });

  test.each(['deliverAll', 'close'] as const)('%s while the socket pauses → it is read again', (way) => {
    const read = vi.fn();
    const arrivals = new Arrivals(() => read);
    deliveries(arrivals, 1000);
    expect(read).not.toHaveBeenCalled();
    arrivals[way]();
    expect(read).toHaveBeenCalledTimes(1);
  });

  test('deliverAll → nothing waits any more', () => {
    const arrivals = new Arrivals();
    const delivered = deliveries(arrivals, 200);
    arrivals.deliverAll();
    expect(delivered).toEqual(Array.from({ length: 200 }, (_, number) => number));
  });

  test('close → what waits is not delivered', async () => {
    const arrivals = new Arrivals();
    const delivered = deliveries(arrivals, 100);
    arrivals.close();
    await setImmediate();
    expect(delivered).toHaveLength(64);
  });

  test('a flood that never ends → what was delivered is not kept', async () => {
    const arrivals = new Arrivals(() => () => undefined);
    const kept: WeakRef<object>[] = [];
    for (let round = 0; round < 20; round += 1) {
      for (let number = 0; number < 64; number += 1) {
        const message = { round, number };
        kept.push(new WeakRef(message));
        arrivals.add(() => void message.number);
      }
      if (round > 2) await setImmediate();
    }
    await setImmediate();
    collectGarbage();
    const held = kept.filter((message) => message.deref() !== undefined).length;
    expect(held).toBeLessThan(900);
  });
});
