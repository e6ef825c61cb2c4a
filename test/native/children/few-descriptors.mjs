/**
 * Attaches segments until no file descriptor is left, and writes. Prints the code of the last attach, and the outcomes of a
 * write before and after a descriptor is given back. Arguments: path of the facade, directory.
 */
import { writeFileSync } from 'node:fs';
import { timeoutMs } from './surroundings.mjs';

const [, , facade, directory] = process.argv;
const { openNativeFabric } = await import(facade);
const options = { providers: ['same-host'], socketDirectory: directory };
const receiver = await openNativeFabric(options);
const sender = await openNativeFabric(options);
await receiver.createArena({ path: `${directory}/arena`, pageBytes: 4096, pages: 1 });
const endpoint = receiver.endpoints()[0];
const connection = await sender.connect(endpoint, await receiver.grant('same-host'), { timeoutMs });
const path = `${directory}/segment`;
writeFileSync(path, 'bytes');
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const write = async () =>
  say(await connection.write([{ segment: 's0', sourceOffset: 0, targetOffset: 0, length: 5 }]).done);

for (let count = 0; ; count += 1) {
  try {
    await sender.attachSegment(`s${count}`, path);
  } catch ({ code, message }) {
    say({ code, message });
    break;
  }
}
await write();
// One for each end of the connection.
await sender.detachSegment('s1');
await sender.detachSegment('s2');
await write();
await Promise.all([sender.close(), receiver.close()]);
