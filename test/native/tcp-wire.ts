/** The bytes of the provider tcp, for tests that take the place of one of its ends. `src/native/cc/tcp/protocol.h` defines them. */
import { connect, type Socket } from 'node:net';
import type { FabricEndpoint, FabricGrant } from '../../src/ports/fabric.js';

const HEX = 16;
export const HELLO_BYTES = 56;
export const HEADER_BYTES = 32;
const ANSWER_BYTES = 24;

export interface HelloFields {
  readonly magic: string;
  readonly version: number;
  readonly bytes: number;
  readonly grant: bigint;
  readonly secret: Buffer;
}

/** The fields that an honest sender sends. */
export function helloOf(grant: FabricGrant): HelloFields {
  const [number = '', secret = ''] = grant.token.split(':');
  return {
    ...{ magic: 'KVFERRY\n', version: 1, bytes: HELLO_BYTES },
    ...{ grant: BigInt(`0x${number}`), secret: Buffer.from(secret, 'hex') },
  };
}

export function hello({ magic, version, bytes, grant, secret }: HelloFields): Buffer {
  const buffer = Buffer.alloc(HELLO_BYTES);
  buffer.write(magic, 'latin1');
  buffer.writeUInt32LE(version, 8);
  buffer.writeUInt32LE(bytes, 12);
  buffer.writeBigUInt64LE(grant, 16);
  secret.copy(buffer, 24);
  return buffer;
}

export interface HeaderFields {
  readonly kind?: number;
  readonly reserved?: number;
  readonly ticket?: bigint;
  readonly targetOffset: bigint;
  readonly length: bigint;
}

export function header({ kind = 1, reserved = 0, ticket = 1n, targetOffset, length }: HeaderFields): Buffer {
  const buffer = Buffer.alloc(HEADER_BYTES);
  buffer.writeUInt32LE(kind, 0);
  buffer.writeUInt32LE(reserved, 4);
  buffer.writeBigUInt64LE(ticket, 8);
  buffer.writeBigUInt64LE(targetOffset, 16);
  buffer.writeBigUInt64LE(length, 24);
  return buffer;
}

export const ANSWERS = { WELCOME: 1, REFUSED: 2, DONE: 3, REVOKED: 4 } as const;
const answerKinds = ['', 'welcome', 'refused', 'done', 'revoked'];
const statuses = ['landed', 'rejected', 'arena_invalid'];

export function answer(kind: number, ticket: bigint, value = 0n): Buffer {
  const buffer = Buffer.alloc(ANSWER_BYTES);
  buffer.writeUInt32LE(kind, 0);
  buffer.writeBigUInt64LE(ticket, 8);
  buffer.writeBigUInt64LE(value, 16);
  return buffer;
}

/** As text, for example `done 7 landed`. */
function answersIn(bytes: Buffer): string[] {
  const count = Math.floor(bytes.length / ANSWER_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const at = index * ANSWER_BYTES;
    const kind = answerKinds[bytes.readUInt32LE(at)] ?? 'unknown';
    if (kind !== 'done') return kind;
    return `done ${bytes.readBigUInt64LE(at + 8)} ${statuses[bytes.readUInt32LE(at + 4)] ?? 'unknown'}`;
  });
}

/** One TCP connection to a receiver. */
export class RawSender {
  readonly socket: Socket;
  /** Resolves when the receiver has closed the connection. */
  readonly closed: Promise<void>;
  readonly #received: Buffer[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(endpoint: FabricEndpoint) {
    this.socket = connect(portOf(endpoint), '127.0.0.1');
    this.socket.on('data', (bytes) => {
      this.#received.push(bytes);
      for (const look of this.#waiting) look();
    });
    // A receiver that closes while bytes are on their way causes a reset, which is as good an end.
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  answers(): string[] {
    return answersIn(Buffer.concat(this.#received));
  }

  /** Resolves when there are as many answers, or the connection is closed. */
  async received(count: number): Promise<string[]> {
    const enough = new Promise<void>((resolve) => {
      const look = () => this.answers().length >= count && resolve();
      this.#waiting.add(look);
      look();
    });
    await Promise.race([enough, this.closed]);
    return this.answers();
  }
}

function portOf(endpoint: FabricEndpoint): number {
  return Number.parseInt(endpoint.address.split(':')[2] ?? '', HEX);
}

/** The endpoint of a receiver at that port of this host. */
export function endpointAt(port: number, encrypted: boolean): FabricEndpoint {
  const host = Buffer.from('127.0.0.1').toString('hex');
  return {
    provider: 'tcp',
    detail: '',
    address: `kvferry-tcp-1:${host}:${port.toString(HEX)}:${encrypted ? 1 : 0}`,
  };
}
