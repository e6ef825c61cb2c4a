/** Renders a report as text tables for the terminal. */
import Table from 'cli-table3';
import { formatBytes } from '../src/figures/units.js';
import type { BenchReport } from './report.js';
import type { Figures, Row } from './suite-result.js';

/** One table for each kind of case. Its columns are the parameters and figures of its rows. */
export function renderRows({ suites, targets }: BenchReport): string[] {
  const lines = Object.entries(suites).flatMap(([suite, { rows, notRun }]) => [
    ...tablesOf(rows).flatMap(([table, of]) => [`\n${suite}: ${table}`, renderTable(of)]),
    ...notRun.map(({ what, reason }) => `not run: ${what}: ${reason}`),
  ]);
  const held = targets.map(
    ({ name, value, target, met }) => `${met ? 'met' : 'missed'}: ${name}: ${value} (${target})`,
  );
  return [...lines, '', ...held];
}

/** Rows by table, in their original order. */
export function tablesOf(rows: readonly Row[]): (readonly [table: string, rows: readonly Row[]])[] {
  const names = [...new Set(rows.map(({ table }) => table))];
  return names.map((name) => [name, rows.filter(({ table }) => table === name)] as const);
}

function renderTable(rows: readonly Row[]): string {
  const parameters = [...new Set(rows.flatMap((row) => Object.keys(row.parameters)))];
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  const table = new Table({ head: [...parameters, ...figures], style: { head: [], border: [], compact: true } });
  for (const row of rows) {
    table.push([
      ...parameters.map((name) => formatParameter(name, row.parameters[name])),
      ...figures.map((name) => formatFigure(row.figures[name])),
    ]);
  }
  return table.toString();
}

/** Formats sizes with a unit, such as 4MiB. */
export function formatParameter(name: string, value: string | number | undefined): string {
  return name.endsWith('Bytes') ? formatBytes(Number(value)) : `${value ?? ''}`;
}

/** The median, with the smallest and largest value in brackets. */
export function formatFigure(figure: Figures[string] | undefined): string {
  if (figure === undefined) return '';
  if (typeof figure === 'boolean') return figure ? 'yes' : 'no';
  return typeof figure === 'number' ? `${figure}` : `${figure.median} (${figure.min} – ${figure.max})`;
}
