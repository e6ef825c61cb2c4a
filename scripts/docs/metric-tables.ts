/**
 * The tables of docs/metrics.md: every metric that an agent has, read from its registry. They stand between
 * `<!-- metrics PREFIX -->` and `<!-- end -->`, where PREFIX is how their names begin, or several of that with commas between
 * them; the rest of the page is written by hand.
 */
import { AgentMetrics, type MetricDescription } from '../../src/observe/metrics/agent-metrics.js';

const BLOCK = /<!-- metrics (\S+) -->\n[\s\S]*?<!-- end -->/g;

/** Every metric that an agent has, by name. */
function metricDescriptions(): MetricDescription[] {
  const metrics = new AgentMetrics({ agent: 'any', role: 'both', version: 'any' });
  return metrics.describe().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `page` with its tables as the registry says they are. */
export function fillMetricTables(page: string): string {
  const metrics = metricDescriptions();
  return page.replaceAll(BLOCK, (_, prefixes: string) => {
    const rows = metrics.filter(({ name }) => prefixes.split(',').some((prefix) => name.startsWith(prefix)));
    if (rows.length === 0) throw new Error(`docs/metrics.md asks for metrics ${prefixes}: there are none`);
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
