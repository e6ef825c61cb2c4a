/**
 * A program that attacks TCP ports of decode agents from another host, in several ways at once, until it receives a message. It
 * then sends its report and ends with its parent.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface AttackOrder {
  readonly host: string;
  readonly ports: readonly number[];
}

/** Connections of each kind that were accepted. */
export type AttackReport = Record<AttackKind, number>;

/** As `src/native/cc/tcp/protocol.h` has it: magic, version, bytes of the hello, grant, secret. */
const HELLO_BYTES = 56;
const SECRET_BYTES = 32;
const GRANTS = 64;
const GARBAGE_BYTES = 65_536;
/** Connections of each kind and port at once. The idle ones exceed what a receiver keeps of strangers. */
const AT_ONCE = {
  flood: 400,
  wrongToken: 8,
  halfHello: 32,
  garbage: 4,
  tlsGarbage: 4,
  neverReads: 8,
  reset: 8,
} as const;
type AttackKind = keyof typeof AT_ONCE;
const PAUSE_MS = 2;
/** It stops by itself after this, whatever becomes of its parent. */
const ATTACK_MS_MAX = 60_000;
const HOLD_MS = 1_000;

function wrongHello(): Buffer {
  const head = Buffer.alloc(HELLO_BYTES - SECRET_BYTES);
  head.write('KVFERRY\n', 0, 'latin1');
  head.writeUInt32LE(1, 8);
  head.writeUInt32LE(HELLO_BYTES, 12);
  head.writeBigUInt64LE(BigInt(randomInt(GRANTS)), 16);
  return Buffer.concat([head, randomBytes(SECRET_BYTES)]);
}

/** The head of a TLS record with a client hello that never ends. */
function tlsGarbage(): Buffer {
  return Buffer.concat([Buffer.from([0x16, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb]), randomBytes(GARBAGE_BYTES)]);
}

/** What each kind does with a connection. The connection is then kept until the receiver closes it or the time is over. */
const kinds: Record<AttackKind, (socket: Socket) => void> = {
  flood: () => undefined,
  wrongToken: (socket) => socket.write(wrongHello()),
  halfHello: (socket) => socket.write(wrongHello().subarray(0, randomInt(1, HELLO_BYTES))),
  garbage: (socket) => socket.write(randomBytes(GARBAGE_BYTES)),
  tlsGarbage: (socket) => socket.write(tlsGarbage()),
  neverReads: (socket) => {
    socket.pause();
    for (let count = 0; count < 64; count += 1) socket.write(wrongHello());
  },
  reset: (socket) => {
    socket.write(wrongHello().subarray(0, randomInt(1, HELLO_BYTES)));
    socket.resetAndDestroy();
  },
};

const order = JSON.parse(process.argv[2] ?? '') as AttackOrder;
const report = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0])) as AttackReport;
let isOver = false;

/** One connection after the other. */
async function attack(kind: AttackKind, port: number): Promise<void> {
  while (!isOver) {
    await one(kind, port);
    await delay(PAUSE_MS);
  }
}

function one(kind: AttackKind, port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: order.host, port }, () => {
      report[kind] += 1;
      kinds[kind](socket);
    });
    // Refused, reset, closed: what an attacker must expect.
    socket.on('error', () => undefined);
    if (kind !== 'neverReads') socket.resume();
    socket.setTimeout(HOLD_MS, () => socket.destroy());
    socket.once('close', () => resolve());
  });
}

for (const port of order.ports) {
  for (const [kind, count] of Object.entries(AT_ONCE) as [AttackKind, number][]) {
    for (let index = 0; index < count; index += 1) void attack(kind, port);
  }
}
process.once('message', () => {
  isOver = true;
  process.send?.(report);
});
process.once('disconnect', () => process.exit());
setTimeout(() => process.exit(1), ATTACK_MS_MAX);
