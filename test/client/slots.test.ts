import { describe, expect, test } from 'vitest';
import { Slots } from '../../src/client/slots.js';
import { sourceRuns } from '../../src/client/source-runs.js';

describe('slots', () => {
  test('are given out in order, to the caller who asked first', async () => {
    const slots = new Slots(4);
    const order: string[] = [];
    expect(await slots.take(3)).toEqual([0, 1, 2]);
    const large = slots.take(3).then(() => order.push('large'));
    const small = slots.take(1).then(() => order.push('small'));
    expect(slots.isShort).toBe(true);
    slots.give([0]);
    slots.give([1, 2]);
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
    expect(slots.free).toBe(0);
    expect(slots.isShort).toBe(false);
  });

  test('are not waited for after the signal', async () => {
    const slots = new Slots(2);
    await slots.take(2);
    const stop = new AbortController();
    const large = slots.take(2, stop.signal);
    const small = slots.take(1);
    slots.give([1]);
    stop.abort(new Error('enough'));
    await expect(large).rejects.toThrow('enough');
    expect(await small).toEqual([1]);
    expect(slots.isShort).toBe(false);
    await expect(slots.take(1, stop.signal)).rejects.toThrow('enough');
  });

  test('that will never be there are refused', async () => {
    await expect(new Slots(4).take(5)).rejects.toMatchObject({
      code: 'invalid_field',
      message: '5 chunks are more than the 4 slots',
    });
  });
});

describe('source runs', () => {
  const at = (offset: number, length = 64, segment = 's') => ({ key: `k${offset}`, segment, offset, length });

  test('join chunks at equal distances', () => {
    expect(sourceRuns([0, 100, 300, 400, 500, 700].map((offset) => at(offset)))).toEqual([
      { segment: 's', offset: 0, length: 64, count: 2, stride: 100 },
      { segment: 's', offset: 300, length: 64, count: 3, stride: 100 },
      { segment: 's', offset: 700, length: 64, count: 1 },
    ]);
  });

  test('end where segment, length or direction changes', () => {
    expect(sourceRuns([at(0), at(64, 32), at(200, 32, 't'), at(100, 32, 't')])).toEqual([
      { segment: 's', offset: 0, length: 64, count: 1 },
      { segment: 's', offset: 64, length: 32, count: 1 },
      { segment: 't', offset: 200, length: 32, count: 1 },
      { segment: 't', offset: 100, length: 32, count: 1 },
    ]);
  });

  test('end where a chunk begins inside the one before it', () => {
    expect(sourceRuns([at(0), at(32)])).toEqual([
      { segment: 's', offset: 0, length: 64, count: 1 },
      { segment: 's', offset: 32, length: 64, count: 1 },
    ]);
  });

  test('join chunks in pieces that lie alike, and keep others apart', () => {
    const pieces = { count: 4, stride: 1000 };
    const chunks = [0, 16, 32].map((offset) => ({ ...at(offset), pieces }));
    const other = { ...at(48), pieces: { count: 4, stride: 2000 } };
    expect(sourceRuns([...chunks, other, at(2000)])).toEqual([
      { segment: 's', offset: 0, length: 64, count: 3, stride: 16, pieces },
      { segment: 's', offset: 48, length: 64, count: 1, pieces: { count: 4, stride: 2000 } },
      { segment: 's', offset: 2000, length: 64, count: 1 },
    ]);
  });

  test('of no chunks are none', () => {
    expect(sourceRuns([])).toEqual([]);
  });
});
