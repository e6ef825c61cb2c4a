/**
 * A receiver. Prints its address and its grant, then grants and revokes on request, one line each.
 * Arguments: path of the facade, provider, directory, pages of 1 MiB (default: 1).
 */
import { createInterface } from 'node:readline';
import { bindAddress } from './surroundings.mjs';

const [, , facade, provider, directory, pages = '1'] = process.argv;
const { openNativeFabric } = await import(facade);
const fabric = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
await fabric.createArena({ path: `${directory}/arena`, pageBytes: 2 ** 20, pages: Number(pages) });
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
say({ endpoint: fabric.endpoints()[0], grant: await fabric.grant(provider) });
for await (const line of createInterface({ input: process.stdin })) {
  const { revoke } = JSON.parse(line);
  await fabric.revoke(revoke);
  say({ revoked: revoke });
}
