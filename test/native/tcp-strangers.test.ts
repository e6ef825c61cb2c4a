/** Programs that are no senders, or break the protocol, at the port of a receiver: it lives, and serves the others. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricGrant } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from './children.js';
import { connectedPair } from './connected-pair.js';
import { type HeaderFields, header, hello, helloOf, RawSender } from './tcp-wire.js';

const PAGE = 64 * 1024;
const BYTES = 4 * PAGE;
const HUGE = 2n ** 64n - 1n;
/** More than may be strangers at once. */
const FLOOD = 600;

const senders: RawSender[] = [];

afterEach(() => {
  for (const { socket } of senders.splice(0)) socket.destroy();
});

/** A receiver with an honest sender, whose writes must arrive whatever else happens. */
async function served() {
  const pair = await connectedPair('tcp', { pageBytes: PAGE, pages: BYTES / PAGE, tcpStreams: 1 });
  writeFileSync(pair.segment, pattern('honest', PAGE));
  await pair.sender.attachSegment('s', pair.segment);
  const [endpoint] = pair.receiver.endpoints();
  if (endpoint === undefined) throw new Error('no endpoint');
  const raw = () => {
    const sender = new RawSender(endpoint);
    senders.push(sender);
    return sender;
  };
  const write = () =>
    pair.connection.write([{ segment: 's', sourceOffset: 0, targetOffset: BYTES - PAGE, length: PAGE }]).done;
  return {
    ...pair,
    endpoint,
    raw,
    /** One with a hello that the receiver has accepted. */
    welcomed: async () => {
      const sender = raw();
      sender.socket.write(hello(helloOf(pair.grant)));
      expect(await sender.received(1)).toEqual(['welcome']);
      return sender;
    },
    expectHonestServed: async () => {
      expect(await write()).toEqual({ status: 'delivered', bytes: PAGE });
      const arena = readFileSync(pair.arena);
      expect(Buffer.compare(arena.subarray(BYTES - PAGE), pattern('honest', PAGE))).toBe(0);
      expect(Buffer.compare(arena.subarray(0, BYTES - PAGE), new Uint8Array(BYTES - PAGE))).toBe(0);
    },
  };
}

describe('a stranger', () => {
  test('T27: no hello comes → closed after five seconds; others are served', async () => {
    const world = await served();
    const [silent, half] = [world.raw(), world.raw()];
    half.socket.write(hello(helloOf(world.grant)).subarray(0, 40));
    await world.expectHonestServed();
    await Promise.all([silent.closed, half.closed]);
    expect([...silent.answers(), ...half.answers()]).toEqual([]);
    await world.expectHonestServed();
  });

  test.each([
    ['an unknown secret', { secret: Buffer.alloc(32) }, ['refused']],
    ['an unknown grant', { grant: 77n }, ['refused']],
    ['another magic', { magic: 'KVFERRX\n' }, []],
    ['another version', { version: 2 }, []],
    ['another size', { bytes: 2 ** 31 }, []],
  ])('T27: a hello with %s → closed', async (_, fields, answers) => {
    const world = await served();
    const sender = world.raw();
    sender.socket.write(hello({ ...helloOf(world.grant), ...fields }));
    await sender.closed;
    expect(sender.answers()).toEqual(answers);
    await world.expectHonestServed();
  });

  test('T27: the grant was revoked → refused', async () => {
    const world = await served();
    const revoked = await world.receiver.grant('tcp');
    await world.receiver.revoke(revoked.id);
    const sender = world.raw();
    sender.socket.write(hello(helloOf(revoked)));
    await sender.closed;
    expect(sender.answers()).toEqual(['refused']);
  });

  test('T27: random bytes on many connections → all are closed; others are served', async () => {
    const world = await served();
    const strangers = Array.from({ length: 200 }, (_, index) => {
      const sender = world.raw();
      sender.socket.write(pattern(`random ${index}`, 1 + ((index * 997) % 9000)));
      if (index % 2 === 0) sender.socket.end();
      return sender;
    });
    await Promise.all(strangers.map(({ closed }) => closed));
    expect(strangers.flatMap((sender) => sender.answers())).toEqual([]);
    await world.expectHonestServed();
  });

  test('T27: a flood of connections → the oldest are closed at once; others are served', async () => {
    const world = await served();
    const flood = Array.from({ length: FLOOD }, () => world.raw());
    const closed = flood.slice(0, FLOOD / 2).map((sender) => sender.closed);
    await Promise.all(closed);
    await world.expectHonestServed();
    const again = await world.sender.connect(world.endpoint, await world.receiver.grant('tcp'), {
      timeoutMs: patient(10_000),
    });
    expect(again.provider).toBe('tcp');
  });
});

/** A receiver in a process of its own that may have few descriptors, and an honest sender. */
async function fewDescriptors(descriptors: number) {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  const facade = new CompiledFacade();
  const child = new Child('receive.mjs', [facade.path, 'tcp', directory]);
  const sender = await openNativeFabric({ providers: ['tcp'], tcpStreams: 1 });
  onTestFinished(async () => {
    await sender.close();
    await child.kill();
    facade[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  const { endpoint, grant } = await child.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
  const limit = `--nofile=${descriptors}:${descriptors}`;
  expect(spawnSync('prlimit', ['--pid', `${child.process.pid}`, limit]).status).toBe(0);
  return {
    grant,
    /** Whether it can open one more. */
    hasRoom: () =>
      readdirSync(`/proc/${child.process.pid}/fd`).filter((fd) => Number(fd) < descriptors).length < descriptors,
    raw: () => {
      const raw = new RawSender(endpoint);
      senders.push(raw);
      return raw;
    },
    expectHonestServed: async () => {
      writeFileSync(join(directory, 'segment'), pattern('honest', PAGE));
      await sender.attachSegment('s', join(directory, 'segment'));
      const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
      const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: PAGE }];
      expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: PAGE });
    },
  };
}

test('T27: strangers take every descriptor → closed, and a sender is served', async () => {
  const world = await fewDescriptors(48);
  const strangers = Array.from({ length: 100 }, world.raw);
  await Promise.all(strangers.slice(0, 50).map(({ closed }) => closed));
  await world.expectHonestServed();
});

test('T27: senders take every descriptor, and leave → the next one is served', async () => {
  const world = await fewDescriptors(48);
  const greeting = () => {
    const sender = world.raw();
    sender.socket.write(hello(helloOf(world.grant)));
    return sender;
  };
  const served: RawSender[] = [];
  while (world.hasRoom()) {
    const sender = greeting();
    expect(await sender.received(1)).toEqual(['welcome']);
    served.push(sender);
  }
  const next = greeting();
  await once(next.socket, 'connect');
  // When this frame is answered, the receiver has seen the connection that it cannot accept.
  served[0]?.socket.write(Buffer.concat([header({ targetOffset: 0n, length: 1n }), Buffer.alloc(1)]));
  expect(await served[0]?.received(2)).toEqual(['welcome', 'done 1 landed']);
  for (const { socket } of served) socket.end();
  expect(await next.received(1)).toEqual(['welcome']);
  await world.expectHonestServed();
});

describe('a sender that breaks the protocol', () => {
  const outside: readonly (readonly [string, HeaderFields])[] = [
    ['begins behind the arena', { targetOffset: BigInt(BYTES), length: 100n }],
    ['crosses the end of the arena', { targetOffset: BigInt(BYTES - 50), length: 100n }],
    ['has an offset near 2^64', { targetOffset: HUGE - 49n, length: 100n }],
    ['is longer than the arena', { targetOffset: 0n, length: BigInt(BYTES + 1) }],
  ];
  test.each(outside)('T27: a frame that %s → rejected, nothing lands', async (_, fields) => {
    const world = await served();
    const sender = await world.welcomed();
    sender.socket.write(Buffer.concat([header({ ...fields, ticket: 7n }), Buffer.alloc(Number(fields.length), 255)]));
    expect(await sender.received(2)).toEqual(['welcome', 'done 7 rejected']);
    await world.expectHonestServed();
  });

  const malformed: readonly (readonly [string, HeaderFields])[] = [
    ['no length', { targetOffset: 0n, length: 0n }],
    ['a length of 2^64 - 1', { targetOffset: 0n, length: HUGE }],
    ['a length of more than 1 GiB', { targetOffset: 0n, length: 2n ** 30n + 1n }],
    ['an unknown kind', { kind: 9, targetOffset: 0n, length: 100n }],
    ['bits that are reserved', { reserved: 1, targetOffset: 0n, length: 100n }],
  ];
  test.each(malformed)('T27: a header with %s → closed, nothing lands', async (_, fields) => {
    const world = await served();
    const sender = await world.welcomed();
    sender.socket.write(Buffer.concat([header(fields), Buffer.alloc(1000, 255)]));
    await sender.closed;
    expect(sender.answers()).toEqual(['welcome']);
    await world.expectHonestServed();
  });

  test('T27: it leaves in the middle of a frame → no answer; others are served', async () => {
    const world = await served();
    const sender = await world.welcomed();
    sender.socket.end(Buffer.concat([header({ targetOffset: 0n, length: BigInt(PAGE) }), Buffer.alloc(PAGE - 1)]));
    await sender.closed;
    expect(sender.answers()).toEqual(['welcome']);
    await world.expectHonestServed();
  });

  test('T27: frames byte by byte, and many in one packet → each is answered', async () => {
    const world = await served();
    const sender = await world.welcomed();
    const frame = (ticket: bigint) =>
      Buffer.concat([header({ ticket, targetOffset: 0n, length: 3n }), Buffer.alloc(3)]);
    for (const byte of frame(1n)) {
      await new Promise<void>((resolve) => sender.socket.write(Buffer.of(byte), () => resolve()));
    }
    expect(await sender.received(2)).toEqual(['welcome', 'done 1 landed']);
    sender.socket.write(Buffer.concat(Array.from({ length: 500 }, (_, index) => frame(BigInt(index)))));
    const answers = await sender.received(502);
    expect(answers.slice(2)).toEqual(Array.from({ length: 500 }, (_, index) => `done ${index} landed`));
    await world.expectHonestServed();
  });

  test('T27: it reads no answers → closed; others are served', async () => {
    const world = await served();
    const sender = await world.welcomed();
    sender.socket.pause();
    const frames = Buffer.concat(
      Array.from({ length: 10_000 }, () => Buffer.concat([header({ targetOffset: 0n, length: 1n }), Buffer.alloc(1)])),
    );
    const writeOn = () => {
      if (!sender.socket.destroyed) sender.socket.write(frames, () => setImmediate(writeOn));
    };
    writeOn();
    await world.expectHonestServed();
    await sender.closed;
    await world.expectHonestServed();
  });

  test('T27: its grant is revoked and it writes on → closed after five seconds', async () => {
    const world = await served();
    const grant = await world.receiver.grant('tcp');
    const sender = world.raw();
    sender.socket.write(hello(helloOf(grant)));
    expect(await sender.received(1)).toEqual(['welcome']);
    sender.socket.allowHalfOpen = true;
    const frame = Buffer.concat([header({ targetOffset: 0n, length: BigInt(PAGE) }), Buffer.alloc(PAGE, 255)]);
    await world.receiver.revoke(grant.id);
    const writeOn = () => {
      if (!sender.socket.destroyed) sender.socket.write(frame, () => setImmediate(writeOn));
    };
    writeOn();
    await sender.closed;
    expect(sender.answers()).toEqual(['welcome', 'revoked']);
    await world.expectHonestServed();
  });

  test('T27: streams of a grant have ended → as many others are welcome', async () => {
    const world = await served();
    const greet = async () => {
      const sender = world.raw();
      sender.socket.write(hello(helloOf(world.grant)));
      return { sender, answers: await sender.received(1) };
    };
    const all = await Promise.all(Array.from({ length: 63 }, greet));
    for (const { sender } of all) sender.socket.end();
    await Promise.all(all.map(({ sender }) => sender.closed));
    const again = await Promise.all(Array.from({ length: 63 }, greet));
    expect(again.map(({ answers }) => answers)).toEqual(Array(63).fill(['welcome']));
  });

  test('T27: more streams than one grant may have → refused', async () => {
    const world = await served();
    const all = Array.from({ length: 70 }, () => world.raw());
    for (const sender of all) sender.socket.write(hello(helloOf(world.grant)));
    const answers = await Promise.all(all.map((sender) => sender.received(1)));
    // The honest sender has one of the 64.
    expect(answers.filter(([first]) => first === 'welcome')).toHaveLength(63);
    expect(answers.filter(([first]) => first === 'refused')).toHaveLength(7);
    await world.expectHonestServed();
  });
});
