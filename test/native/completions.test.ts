/** The records in which the addon reports the ends of calls. */
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Completions } from '../../src/native/completions.js';
import { whyNot } from '../contract/native-harness.js';
import { connectedPair } from './connected-pair.js';

const reason = whyNot('same-host');

describe('completion records', () => {
  test('numbers and texts → the completions of their calls', async () => {
    const completions = new Completions(['ok', 'closed']);
    const expectOne = () => completions.expect((completion) => completion);
    const calls = [expectOne(), expectOne(), expectOne()];
    const [first, second, third] = calls.map(({ id }) => id) as [number, number, number];
    const drained = 2;
    const withMessage = 4;
    const withText = 8;
    const records = Float64Array.of(
      ...[third, 1, 5, 1 | withMessage, 0],
      ...[first, 0, 2 ** 40, drained, 7],
      ...[second, 0, 0, drained | withText, 9],
      ...[first, 1, 1, 1, 1],
    );
    completions.take(records, 3, ['the message', 'the text']);
    const ended = { message: '', bytes: 0, stopped: false, drained: true, handle: 0, text: '' };
    expect(await Promise.all(calls.map(({ completed }) => completed))).toEqual([
      { ...ended, code: 'ok', bytes: 2 ** 40, handle: 7 },
      { ...ended, code: 'ok', handle: 9, text: 'the text' },
      { ...ended, code: 'closed', message: 'the message', bytes: 5, stopped: true, drained: false },
    ]);
  });

  test.skipIf(reason !== undefined)('200 writes end in one turn → each has its own outcome', async () => {
    const { segment, sender, connection } = await connectedPair('same-host', { pageBytes: 4096, pages: 1 });
    writeFileSync(segment, new Uint8Array(100));
    await sender.attachSegment('s', segment);
    const lengths = Array.from({ length: 200 }, (_, index) => index);
    const outcomes = lengths.map(
      (length) => connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length }]).done,
    );
    expect(await Promise.all(outcomes)).toEqual(
      lengths.map((length) => {
        if (length <= 100) return { status: 'delivered', bytes: length };
        const message = `segment s: source range 0+${length} is outside the source segment of 100 bytes`;
        return { status: 'failed', bytes: 0, drained: true, code: 'segment_invalid', message };
      }),
    );
  });
});
