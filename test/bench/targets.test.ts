import { describe, expect, test } from 'vitest';
import type { Row } from '../../bench/suite-result.js';
import { judge } from '../../bench/targets.js';

const NAME = 'same host against memcpy, from 1 MiB';
const MIB = 1024 ** 2;

function row(path: string, chunkBytes: number, ofBaseline: number): Row {
  const figures = { ofBaseline: { median: ofBaseline, min: 0, max: 9, rounds: 3 } };
  return { table: 'write', parameters: { path, chunkBytes, batch: 1, inFlight: 1 }, figures };
}

describe('targets', () => {
  test('takes the worst of the rows that it is about', () => {
    const rows = [row('same-host', MIB, 0.95), row('same-host', 4 * MIB, 0.8), row('same-host', 65_536, 0.01)];
    expect(judge({ data: { rows, notRun: [] } })).toEqual([
      { name: NAME, value: 0.8, target: 0.9, limit: 0.1, met: false, withinLimit: true },
    ]);
  });

  test('is beyond its limit when it is much worse', () => {
    const [judged] = judge({ data: { rows: [row('same-host', MIB, 0.05)], notRun: [] } });
    expect(judged).toMatchObject({ met: false, withinLimit: false });
  });

  test('says nothing of what was not measured', () => {
    expect(judge({})).toEqual([]);
  });

  test('has no limit for peers: being slower than they are is no regression', () => {
    const slower = { ...row('tcp', MIB, 1), figures: { 'of-nixl': 0.5 } };
    expect(judge({ data: { rows: [slower], notRun: [] } })).toEqual([
      { name: 'against nixl, tcp, from 64 KiB', value: 0.5, target: 1, limit: null, met: false, withinLimit: true },
    ]);
  });
});
