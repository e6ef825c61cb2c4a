/**
 * Hides libfabric in a mount namespace of its own, then moves bytes by tcp. Prints what this host offers, and the outcome.
 * Arguments: path of the facade, directory, path of libfabric (none: it is not installed).
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { timeoutMs } from './surroundings.mjs';

const [, , facade, directory, library] = process.argv;
if (library !== undefined) {
  const { status, stderr } = spawnSync('mount', ['--bind', '/dev/null', library], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}
const { openNativeFabric } = await import(facade);
const providers = ['tcp', 'libfabric-tcp'];
const receiver = await openNativeFabric({ providers });
const sender = await openNativeFabric({ providers });
await receiver.createArena({ path: `${directory}/arena`, pageBytes: 4096, pages: 1 });
writeFileSync(`${directory}/segment`, 'bytes');
await sender.attachSegment('s', `${directory}/segment`);
const [endpoint] = receiver.endpoints();
const connection = await sender.connect(endpoint, await receiver.grant('tcp'), { timeoutMs });
const outcome = await connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length: 5 }]).done;
const [missing] = receiver.unavailable();
process.stdout.write(JSON.stringify({ offered: endpoint.provider, missing, outcome }));
await Promise.all([sender.close(), receiver.close()]);
