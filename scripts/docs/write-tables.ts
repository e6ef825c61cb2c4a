/**
 * Writes the generated parts of the documentation: `npm run docs`. The tables of docs/reference/protocol.md come from the
 * schemas, those of docs/metrics.md from the registry, docs/guarantees.md from its texts and the names of the tests,
 * docs/reference/permissions.md from the rights of each role, and docs/mutants.md from the stored run of `npm run mutants`.
 */
import { readFile } from 'node:fs/promises';
import { fillTables } from './field-tables.js';
import { guaranteesPage } from './guarantees-page.js';
import { fillMetricTables } from './metric-tables.js';
import { mutantsPage, type StoredMutant } from './mutants-page.js';
import { type GeneratedFile, writeGenerated } from './output.js';
import { permissionsPage } from './permissions-page.js';
import { testsByNumber } from './tests-by-number.js';

async function filled(path: string, fill: (page: string) => string): Promise<GeneratedFile> {
  return { path, text: fill(await readFile(path, 'utf8')) };
}

const mutants = JSON.parse(await readFile('docs/mutants/run.json', 'utf8')) as StoredMutant[];
const pages = [
  await filled('docs/reference/protocol.md', fillTables),
  await filled('docs/metrics.md', fillMetricTables),
  { path: 'docs/guarantees.md', text: guaranteesPage(testsByNumber('test')) },
  { path: 'docs/reference/permissions.md', text: permissionsPage() },
  { path: 'docs/mutants.md', text: mutantsPage(mutants) },
];
await writeGenerated(pages, process.argv);
