/**
 * Writes while its segment can be read, twice while it cannot, and again while it can, each time more than the window, and prints how the
 * writes ended. Arguments: path of the facade, provider, directory.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { bindAddress, timeoutMs } from './surroundings.mjs';

const [, , facade, provider, directory] = process.argv;
const { openNativeFabric } = await import(facade);
const BYTES = 2 ** 20;
const options = { providers: [provider], bindAddress, socketDirectory: directory };
const receiver = await openNativeFabric(options);
const sender = await openNativeFabric({ ...options, sliceBytes: BYTES / 16, windowBytes: BYTES / 8 });
await receiver.createArena({ path: `${directory}/arena`, pageBytes: BYTES, pages: 1 });
writeFileSync(`${directory}/segment`, Buffer.alloc(BYTES, 'Z'));
await sender.attachSegment('s', `${directory}/segment`);
const connection = await sender.connect(receiver.endpoints()[0], await receiver.grant(provider), { timeoutMs });
const outcomes = [];
const write = async () => {
  outcomes.push(await connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length: BYTES }]).done);
};
await write();
for (const how of ['error', 'end']) {
  writeFileSync(process.env.KVFERRY_FAIL_READS, how);
  await write();
}
rmSync(process.env.KVFERRY_FAIL_READS);
await write();
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
await Promise.all([sender.close(), receiver.close()]);
