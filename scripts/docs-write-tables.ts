/** Fills the tables of docs/protocol.md from the schemas. Run from the root of the repository: `npm run docs`. */
import { readFile } from 'node:fs/promises';
import { fillTables } from './docs-field-tables.js';
import { writeGenerated } from './docs-output.js';

const path = 'docs/protocol.md';
await writeGenerated([{ path, text: fillTables(await readFile(path, 'utf8')) }], process.argv);
