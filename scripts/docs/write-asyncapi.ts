/** Writes docs/asyncapi.json from the schemas. Run from the root of the repository: `npm run docs`. */
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';
import { writeGenerated } from './output.js';

const text = `${JSON.stringify(asyncApiDocument(), null, 2)}\n`;
await writeGenerated([{ path: 'docs/asyncapi.json', text }], process.argv);
