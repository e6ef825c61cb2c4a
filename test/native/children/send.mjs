/**
 * A sender that writes its segment over and over, in one slice, until a write is not delivered; says when the first has
 * landed, and how it ended. Arguments: path of the facade, provider, directory, endpoint and grant as JSON.
 */
import { statSync } from 'node:fs';
import { bindAddress, timeoutMs } from './surroundings.mjs';

const [, , facade, provider, directory, endpoint, grant] = process.argv;
const bytes = statSync(`${directory}/segment`).size;
const { openNativeFabric } = await import(facade);
const fabric = await openNativeFabric({
  providers: [provider],
  bindAddress,
  socketDirectory: directory,
  sliceBytes: bytes,
});
await fabric.attachSegment('s', `${directory}/segment`);
const connection = await fabric.connect(JSON.parse(endpoint), JSON.parse(grant), { timeoutMs });
const items = Array(64).fill({ segment: 's', sourceOffset: 0, targetOffset: 0, length: bytes });
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
let outcome = await connection.write(items).done;
say(outcome);
while (outcome.status === 'delivered') outcome = await connection.write(items).done;
say(outcome);
await fabric.close();
