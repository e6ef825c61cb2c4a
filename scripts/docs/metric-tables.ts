/**
 * The tables of docs/metrics.md: every metric of an agent, read from its registry. A table stands between
 * `<!-- metrics PREFIX -->` and `<!-- end -->`. PREFIX is the beginning of the names, or several of them with commas between.
 * The rest of the page is written by hand.
 */
import { AgentMetrics, type MetricDescription } from '../../src/observe/metrics/agent-metrics.js';

const BLOCK = /<!-- metrics (\S+) -->\n[\s\S]*?<!-- end -->/g;

/** All metrics of an agent, in the order of their names. */
function metricDescriptions(): MetricDescription[] {
  const metrics = new AgentMetrics({ agent: 'any', role: 'both', version: 'any' });
  return metrics.describe().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns `page` with its tables filled from the registry. */
export function fillMetricTables(page: string): string {
  const metrics = metricDescriptions();
  return page.replaceAll(BLOCK, (_, prefixes: string) => {
    const rows = metrics.filter(({ name }) => prefixes.split(',').some((prefix) => name.startsWith(prefix)));
    if (rows.length === 0) throw new Error(`docs/metrics.md has a table for metrics ${prefixes}: there are none`);
    return `<!-- metrics ${prefixes} -->\n${tableOf(rows)}\n<!-- end -->`;
  });
}

function tableOf(rows: readonly MetricDescription[]): string {
  const lines = rows.map(({ name, type, labels, help }) => {
    const shown = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${shown} | ${help.replaceAll('|', '\\|')} |`;
  });
  return ['', '| metric | type | labels | meaning |', '|---|---|---|---|', ...lines, ''].join('\n');
}
