/** Random receivers of a tcp sender: answers with any kind, ticket and status, at any moment. Every call of the sender ends. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../../src/native/native-fabric.js';
import type { FabricConnection } from '../../../src/ports/fabric.js';
import { pattern } from '../../contract/pattern.js';
import { answer, endpointAt } from '../tcp-wire.js';
import { Chance, PATIENCE_MS, seeds } from './chance.js';

const BYTES = 256 * 1024;
const CONNECTIONS = 8;
const CONNECT_MS = 500;
const WELCOME = 1;
const ENDS = ['delivered', 'stopped', 'failed'];
const grant = { id: 'tcp-1', provider: 'tcp', token: `1:${'ab'.repeat(32)}`, arenaBytes: BYTES } as const;

test('T27: random receivers → every connection and every write ends', { timeout: PATIENCE_MS }, async () => {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const sender = await openNativeFabric({ providers: ['tcp'], tcpStreams: 2 });
  const sockets = new Set<Socket>();
  let seed = 0;
  let accepted = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    const chance = new Chance(seed + 1000 * ++accepted);
    socket.on('data', () => reply(socket, chance));
    reply(socket, chance);
  });
  onTestFinished(async () => {
    await sender.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  writeFileSync(join(directory, 'segment'), pattern('segment', BYTES));
  await sender.attachSegment('s', join(directory, 'segment'));
  const endpoint = endpointAt(await portOf(server), false);
  const use = async (connection: FabricConnection, chance: Chance) => {
    const writes = Array.from({ length: 4 }, () => {
      const [sourceOffset, targetOffset] = [chance.integer(0, BYTES), chance.integer(0, BYTES)];
      const length = chance.integer(0, BYTES - sourceOffset);
      return connection.write([{ segment: 's', sourceOffset, targetOffset, length }]);
    });
    if (chance.chance(0.3)) writes[0]?.stop();
    await connection.close();
    return Promise.all(writes.map(({ done }) => done));
  };
  for (seed of seeds()) {
    accepted = 0;
    const attempts = Array.from({ length: CONNECTIONS }, (_, index) =>
      sender.connect(endpoint, grant, { timeoutMs: CONNECT_MS }).then(
        (connection) => use(connection, new Chance(seed + index)),
        ({ code }: { code: string }) => code,
      ),
    );
    for (const end of await Promise.all(attempts)) {
      const good =
        typeof end === 'string' ? end === 'connection_failed' : end.every(({ status }) => ENDS.includes(status));
      expect(good, `seed ${seed}: ${JSON.stringify(end)}`).toBe(true);
    }
  }
});

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function reply(socket: Socket, chance: Chance): void {
  if (socket.destroyed || socket.writableEnded) return;
  for (let left = chance.integer(0, 3); left > 0; left -= 1) {
    const kind = chance.chance(0.6) ? WELCOME : chance.integer(0, 6);
    const one = answer(
      kind,
      chance.chance(0.5) ? BigInt(chance.integer(0, 9)) : chance.wide(BYTES),
      chance.wide(BYTES),
    );
    socket.write(chance.chance(0.8) ? one : chance.damaged(one));
  }
  if (chance.chance(0.1)) socket.write(chance.bytes(chance.integer(1, 4096)));
  if (chance.chance(0.1)) socket.end();
  if (chance.chance(0.05)) socket.destroy();
}
