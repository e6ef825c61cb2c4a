/** Random senders at the port of a tcp receiver: damaged hellos, frames with lengths at every edge, cut off anywhere. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FabricEndpoint, FabricGrant } from '../../../src/ports/fabric.js';
import { pattern } from '../../contract/pattern.js';
import { connectedPair } from '../connected-pair.js';
import { header, hello, helloOf, RawSender } from '../tcp-wire.js';
import { Chance, PATIENCE_MS, seeds } from './chance.js';

const PAGE = 64 * 1024;
const BYTES = 4 * PAGE;
const CONNECTIONS = 24;
const BODY_MAX = 4096;

test('T27: random senders → an honest one is served; after a revocation nothing lands', {
  timeout: PATIENCE_MS,
}, async () => {
  const pair = await connectedPair('tcp', { pageBytes: PAGE, pages: BYTES / PAGE, tcpStreams: 1 });
  writeFileSync(pair.segment, pattern('honest', PAGE));
  await pair.sender.attachSegment('s', pair.segment);
  const endpoint = pair.receiver.endpoints()[0] as FabricEndpoint;
  const item = { segment: 's', sourceOffset: 0, targetOffset: BYTES - PAGE, length: PAGE };
  for (const seed of seeds()) {
    const chance = new Chance(seed);
    const grant = await pair.receiver.grant('tcp');
    const senders = Array.from({ length: CONNECTIONS }, () => new RawSender(endpoint));
    for (const sender of senders) talk(sender, chance, grant);
    await pair.receiver.revoke(grant.id);
    const before = new Uint8Array(BYTES);
    writeFileSync(pair.arena, before, { flag: 'r+' });
    for (const sender of senders) talk(sender, chance, grant);
    expect(await pair.connection.write([item]).done, `seed ${seed}`).toEqual({ status: 'delivered', bytes: PAGE });
    for (const { socket } of senders) socket.destroy();
    await Promise.all(senders.map(({ closed }) => closed));
    const arena = readFileSync(pair.arena);
    expect(Buffer.compare(arena.subarray(BYTES - PAGE), pattern('honest', PAGE)), `seed ${seed}`).toBe(0);
    expect(Buffer.compare(arena.subarray(0, BYTES - PAGE), before.subarray(PAGE)), `seed ${seed}`).toBe(0);
  }
});

function talk({ socket }: RawSender, chance: Chance, grant: FabricGrant): void {
  const right = hello(helloOf(grant));
  socket.write(chance.chance(0.6) ? right : chance.damaged(right));
  for (let left = chance.integer(0, 6); left > 0; left -= 1) {
    const frame = {
      kind: chance.chance(0.9) ? 1 : chance.integer(0, 9),
      reserved: chance.chance(0.9) ? 0 : 1,
      ticket: chance.wide(BYTES),
      targetOffset: chance.wide(BYTES),
      length: chance.chance(0.5) ? BigInt(chance.integer(1, BODY_MAX)) : chance.wide(BYTES),
    };
    socket.write(chance.chance(0.9) ? header(frame) : chance.damaged(header(frame)));
    const whole = Number(frame.length) <= BODY_MAX && chance.chance(0.8);
    socket.write(chance.bytes(whole ? Number(frame.length) : chance.integer(0, BODY_MAX)));
  }
  if (chance.chance(0.2)) socket.end();
  if (chance.chance(0.1)) socket.destroy();
}
