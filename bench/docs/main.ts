/** Writes docs/benchmarks.md and its plots from bench/results. Run from the root of the repository: `npm run bench:docs`. */
import { existsSync, readFileSync } from 'node:fs';
import { writeGenerated } from '../../scripts/docs/output.js';
import type { BenchReport } from '../report.js';
import { renderPage, type StoredReport } from './page.js';
import { plotsOf } from './plots.js';

/** Those that are there are shown, in this order. */
const RESULTS = ['full', 'quick', 'peers'] as const;

const stored = RESULTS.flatMap((name): StoredReport[] => {
  const path = `bench/results/${name}.json`;
  if (!existsSync(path)) return [];
  const report = JSON.parse(readFileSync(path, 'utf8')) as BenchReport;
  return [{ path, report, plots: plotsOf(report), plotFolder: `benchmarks/${name}` }];
});
const plots = stored.flatMap((one) =>
  one.plots.map(({ name, svg }) => ({ path: `docs/${one.plotFolder}/${name}.svg`, text: svg })),
);
await writeGenerated([{ path: 'docs/benchmarks.md', text: renderPage(stored) }, ...plots], process.argv);
