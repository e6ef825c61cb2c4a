/** A server that takes the place of a receiver of the provider tcp, and an honest sender to it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { NativeFabricOptions } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { pattern } from '../contract/pattern.js';
import { ANSWERS, answer, endpointAt, HEADER_BYTES, HELLO_BYTES } from './tcp-wire.js';

export const MIB = 2 ** 20;
/** Of the segment `s`, and of the arena that the server names in `welcome`. */
export const BYTES = 16 * MIB;
export const welcome = answer(ANSWERS.WELCOME, 0n, BigInt(BYTES));
const token = `1:${'ab'.repeat(32)}`;

/**
 * A sender, and a server to which it connects. `behave` gets every connection, and the number of bytes that it has received.
 * `atEnd`: who closes them.
 */
export async function senderTo(
  behave: (socket: Socket, received: () => number) => void,
  options: Partial<NativeFabricOptions> = {},
  atEnd: (close: () => Promise<void>) => void = onTestFinished,
) {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    let bytes = 0;
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (part) => {
      bytes += part.length;
    });
    behave(socket, () => bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sender = await openNativeFabric({ providers: ['tcp'], tcpStreams: 1, ...options });
  atEnd(async () => {
    await sender.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  const path = join(directory, 'segment');
  writeFileSync(path, pattern('segment', BYTES));
  await sender.attachSegment('s', path);
  const { port } = server.address() as AddressInfo;
  const grant = { id: 'tcp-1', provider: 'tcp', token, arenaBytes: BYTES } as const;
  const connect = (endpoint: FabricEndpoint, timeoutMs = patient(10_000)) =>
    sender.connect(endpoint, grant, { timeoutMs });
  return {
    sender,
    directory,
    port,
    grant,
    connect,
    endpoint: endpointAt(port, false),
    encrypted: endpointAt(port, true),
  };
}

/** Calls `arrived` with the ticket of each frame of which every byte is there. */
export function onFrames(socket: Socket, arrived: (ticket: bigint) => void): void {
  let unread = Buffer.alloc(0);
  /** Bytes that are passed over: the hello at first, then the body of a frame. */
  let left = HELLO_BYTES;
  let ticket: bigint | undefined;
  socket.on('data', (part: Buffer) => {
    unread = Buffer.concat([unread, part]);
    for (;;) {
      const passed = Math.min(left, unread.length);
      left -= passed;
      unread = unread.subarray(passed);
      if (left > 0) return;
      if (ticket !== undefined) arrived(ticket);
      ticket = undefined;
      if (unread.length < HEADER_BYTES) return;
      ticket = unread.readBigUInt64LE(8);
      left = Number(unread.readBigUInt64LE(24));
      unread = unread.subarray(HEADER_BYTES);
    }
  });
}
