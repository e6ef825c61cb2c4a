/** Writes docs/benchmarks.md, docs/benchmarks/full.md and their plots from bench/results: `npm run bench:docs`. */
import { existsSync, readFileSync } from 'node:fs';
import { writeGenerated } from '../../scripts/docs/output.js';
import type { BenchReport } from '../report.js';
import { fullPage } from './full-page.js';
import { plotsOf } from './plots.js';
import type { StoredReport } from './stored-report.js';
import { summaryPage } from './summary-page.js';

/** The reports that exist are shown, in this order. */
const NAMES = ['full', 'quick', 'peers', 'vllm'] as const;

const reports = NAMES.flatMap((name): StoredReport[] => {
  const path = `bench/results/${name}.json`;
  if (!existsSync(path)) return [];
  const report = JSON.parse(readFileSync(path, 'utf8')) as BenchReport;
  return [{ name, report, plots: plotsOf(report) }];
});
const plots = reports.flatMap(({ name, plots: drawn }) =>
  drawn.map((plot) => ({ path: `docs/benchmarks/${name}/${plot.name}.svg`, text: plot.svg })),
);
const pages = [
  { path: 'docs/benchmarks.md', text: summaryPage(reports) },
  { path: 'docs/benchmarks/full.md', text: fullPage(reports) },
];
await writeGenerated([...pages, ...plots], process.argv);
