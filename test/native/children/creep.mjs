/**
 * Writes small scattered pieces and large ones in turn, and prints how much memory of its own the process has: connected, while
 * it writes (the most of it), and after a pause. Arguments: path of the facade, provider, directory.
 */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { bindAddress, timeoutMs } from './surroundings.mjs';

const [, , facade, provider, directory] = process.argv;
const { openNativeFabric } = await import(facade);
const MiB = 2 ** 20;
const KiB = 1024;
const BYTES = 32 * MiB;
const ROUNDS = 20;
/** Longer than a connection that writes nothing keeps its memory. */
const PAUSE_MS = 3000;

const ownMiB = () => Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / KiB;
const options = { providers: [provider], bindAddress, socketDirectory: directory };
const receiver = await openNativeFabric(options);
const sender = await openNativeFabric(options);
await receiver.createArena({ path: `${directory}/arena`, pageBytes: BYTES, pages: 1 });
writeFileSync(`${directory}/segment`, '');
truncateSync(`${directory}/segment`, BYTES);
await sender.attachSegment('s', `${directory}/segment`);
const connection = await sender.connect(receiver.endpoints()[0], await receiver.grant(provider), { timeoutMs });
const item = (offset, length) => ({ segment: 's', sourceOffset: offset, targetOffset: offset, length });
const small = Array.from({ length: 512 }, (_, index) => item(index * 64 * KiB, 16 * KiB));

const connected = ownMiB();
let most = connected;
for (let round = 0; round < ROUNDS; round += 1) {
  await connection.write(small).done;
  await Promise.all([connection.write([item(0, BYTES)]).done, connection.write(small).done]);
  most = Math.max(most, ownMiB());
}
await delay(PAUSE_MS);
process.stdout.write(`${JSON.stringify({ writing: most - connected, after: ownMiB() - connected })}\n`);
await Promise.all([sender.close(), receiver.close()]);
