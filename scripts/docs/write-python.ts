/** Writes the protocol for the Python client from the schemas. Run from the root of the repository: `npm run docs`. */
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';
import * as limits from '../../src/protocol/limits.js';
import { writeGenerated } from './output.js';
import {
  constantsModule,
  messagesModule,
  observationsModule,
  operationsModule,
  schemasFile,
} from './python-messages.js';

const FOLDER = 'clients/python/src/kvferry/protocol';
const document = asyncApiDocument();
const files = {
  'messages.py': messagesModule(document),
  'observations.py': observationsModule(document),
  'operations.py': operationsModule(document),
  'constants.py': constantsModule(limits),
  'schemas.json': schemasFile(document),
};
await writeGenerated(
  Object.entries(files).map(([name, text]) => ({ path: `${FOLDER}/${name}`, text })),
  process.argv,
);
