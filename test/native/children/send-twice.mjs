/**
 * A sender on one host whose second write cannot be sent. It begins the first one, prints `begun`, and waits for a line. Then it
 * begins the second one, and prints how both ended. Arguments: path of the facade, directory, endpoint and grant as JSON.
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { timeoutMs } from './surroundings.mjs';

const [, , facade, directory, endpoint, grant] = process.argv;
const { openNativeFabric } = await import(facade);
const fabric = await openNativeFabric({ providers: ['same-host'], socketDirectory: directory });
const { bytes } = await fabric.attachSegment('s', `${directory}/segment`);
const connection = await fabric.connect(JSON.parse(endpoint), JSON.parse(grant), { timeoutMs });
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const item = { segment: 's', sourceOffset: 0, targetOffset: 0, length: bytes };
say({ outcome: await connection.write([item]).done });
for await (const _ of createInterface({ input: process.stdin })) {
  const first = connection.write([item]);
  // The sender posts at the end of a turn of the loop.
  await nextTurn();
  await nextTurn();
  writeFileSync(process.env.KVFERRY_FAIL_SENDS, '');
  const second = connection.write([item]);
  say({ first: await first.done, second: await second.done });
  break;
}
await fabric.close();
