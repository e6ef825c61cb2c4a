import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { reasonFor } from '../../bench/docs/reasons.js';
import type { StoredReport } from '../../bench/docs/stored-report.js';
import { summaryOf } from '../../bench/docs/summary-rows.js';
import type { BenchReport } from '../../bench/report.js';

function stored(name: StoredReport['name']): StoredReport {
  const report = JSON.parse(readFileSync(`bench/results/${name}.json`, 'utf8')) as BenchReport;
  return { name, report, plots: [] };
}

describe('the table of docs/benchmarks.md', () => {
  test('every row was measured in the stored runs', () => {
    expect(summaryOf([stored('full'), stored('peers'), stored('vllm')])).toHaveLength(15);
  });

  test('a run that is not stored → its rows are left out', () => {
    const [first, ...others] = summaryOf([stored('peers')]);
    expect(first).toEqual(['Same host, batches of 16 chunks of 1 MiB, run with peers', '10.1 GB/s', 'NIXL: 6.26 GB/s']);
    expect(others).toHaveLength(1);
  });
});

describe('missed aims', () => {
  test('an aim without a reason → the page cannot be made', () => {
    expect(() => reasonFor('speed of light')).toThrow('the aim "speed of light" is missed and has no reason');
  });
});
