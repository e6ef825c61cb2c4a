/** `kvferry agent --print-config`: every setting with its value, source and meaning. */
import type { ConfigEntry } from '../config/agent-config.js';
import { renderTable } from './table.js';

export function renderConfig(entries: readonly ConfigEntry[], options: { readonly json: boolean }): string {
  if (options.json) return JSON.stringify(entries, null, 2);
  return renderTable(
    ['NAME', 'VALUE', 'SOURCE', 'EXPLANATION'],
    entries.map(({ name, value, source, explanation, range }) => [name, value, source, `${explanation} (${range})`]),
  );
}
