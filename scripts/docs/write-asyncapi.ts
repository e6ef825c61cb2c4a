/** Writes docs/asyncapi.json from the schemas. Run from the root of the repository: `npm run docs`. */
import { asyncApiText } from './asyncapi-text.js';
import { writeGenerated } from './output.js';

await writeGenerated([{ path: 'docs/asyncapi.json', text: asyncApiText() }], process.argv);
