/** Fills the tables of docs/reference/protocol.md from the schemas, and those of docs/metrics.md from the registry: `npm run docs`. */
import { readFile } from 'node:fs/promises';
import { fillTables } from './field-tables.js';
import { fillMetricTables } from './metric-tables.js';
import { type GeneratedFile, writeGenerated } from './output.js';

async function filled(path: string, fill: (page: string) => string): Promise<GeneratedFile> {
  return { path, text: fill(await readFile(path, 'utf8')) };
}

const pages = [filled('docs/reference/protocol.md', fillTables), filled('docs/metrics.md', fillMetricTables)];
await writeGenerated(await Promise.all(pages), process.argv);
