/**
 * Reads a segment whose file system is full: holes have no memory. Mounts a tmpfs of its own, so it runs in a mount namespace.
 * Prints the outcome of each write. Arguments: path of the facade, provider, directory.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { bindAddress, timeoutMs } from './surroundings.mjs';

const MiB = 2 ** 20;
const [, , facade, provider, directory] = process.argv;
const { openNativeFabric } = await import(facade);
const small = `${directory}/small`;
mkdirSync(small);
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'kvferry-test', small], { encoding: 'utf8' });
if (mounted.status !== 0) throw new Error(mounted.stderr);

const options = { providers: [provider], bindAddress, socketDirectory: directory };
const receiver = await openNativeFabric(options);
const sender = await openNativeFabric(options);
const arena = `${directory}/arena`;
await receiver.createArena({ path: arena, pageBytes: MiB, pages: 1 });
const connection = await sender.connect(receiver.endpoints()[0], await receiver.grant(provider), { timeoutMs });

// The first MiB has bytes, the rest is a hole. Then the file system fills up.
const path = `${small}/sparse`;
writeFileSync(path, '');
truncateSync(path, 8 * MiB);
const file = openSync(path, 'r+');
writeSync(file, new Uint8Array(MiB).fill(7), 0, MiB, 0);
const filler = `${small}/filler`;
try {
  writeFileSync(filler, new Uint8Array(8 * MiB));
} catch (error) {
  if (error.code !== 'ENOSPC') throw error;
}
await sender.attachSegment('s', path);

const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const write = async (sourceOffset) => {
  const outcome = await connection.write([{ segment: 's', sourceOffset, targetOffset: 0, length: 65_536 }]).done;
  say({ ...outcome, byte: readFileSync(arena)[0] });
};
await write(0);
await write(4 * MiB);
await write(65_536);
rmSync(filler);
writeSync(file, new Uint8Array(65_536).fill(9), 0, 65_536, 4 * MiB);
await write(4 * MiB);
await Promise.all([sender.close(), receiver.close()]);
spawnSync('umount', [small]);
