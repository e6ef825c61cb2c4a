import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { fillMetricTables } from '../../scripts/docs/metric-tables.js';
import { AgentMetrics } from '../../src/observe/metrics/agent-metrics.js';

const page = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

describe('docs/metrics.md', () => {
  test('has the tables that the registry gives', () => {
    expect(fillMetricTables(page) === page, 'run `npm run docs`').toBe(true);
  });

  test('has every metric, once', () => {
    const names = new AgentMetrics({ agent: 'any', role: 'both', version: 'any' }).describe().map(({ name }) => name);
    const rows = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
    expect(rows.toSorted()).toEqual(names.toSorted());
  });

  test('asks only for metrics that there are', () => {
    expect(() => fillMetricTables('<!-- metrics none_ -->\n<!-- end -->')).toThrow('metrics none_: there are none');
  });
});
