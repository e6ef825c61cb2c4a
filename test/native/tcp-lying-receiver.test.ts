/** Programs that answer as no receiver does: the sender's write fails with a reason, and the sender goes on. */
import { truncateSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pattern } from '../contract/pattern.js';
import { BYTES, MIB, senderTo, welcome } from './tcp-false-receiver.js';
import { ANSWERS, answer, HEADER_BYTES, HELLO_BYTES } from './tcp-wire.js';

const PIECE = 1000;
const { DONE, REVOKED, WELCOME } = ANSWERS;

const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: BYTES }];

test.each([
  ['it never answers', () => undefined, 'the receiver was not reached in time'],
  ['it closes at once', (socket: Socket) => void socket.destroy(), ''],
  ['it closes after the hello', (socket: Socket) => void socket.once('data', () => socket.end()), 'closed'],
  ['it answers random bytes', (socket: Socket) => void socket.write(pattern('random', 4800)), 'protocol'],
  ['it revokes', (socket: Socket) => void socket.write(answer(REVOKED, 0n)), 'revoked the grant'],
  ['it reports a frame as done', (socket: Socket) => void socket.write(answer(DONE, 1n)), 'protocol'],
])('T27: connecting, %s → connection_failed with the reason', async (_, behave, reason) => {
  const world = await senderTo(behave);
  await expect(world.connect(world.endpoint, 300)).rejects.toMatchObject({
    code: 'connection_failed',
    message: expect.stringContaining(reason),
  });
});

test.each([
  ['an unknown ticket', answer(DONE, 99n)],
  ['a frame that is on its way', answer(DONE, 4n)],
  ['an unknown answer', answer(77, 1n)],
  ['random bytes', pattern('random', 4800)],
])('T27: writing, it answers %s → connection_lost, drained is not claimed', async (_, lie) => {
  const world = await senderTo((socket, received) => {
    socket.write(welcome);
    socket.on('data', () => {
      // The first frame is known to be on its way, and the last one cannot have been sent.
      if (received() < HELLO_BYTES + HEADER_BYTES) return;
      socket.pause();
      socket.write(lie);
    });
  });
  const connection = await world.connect(world.endpoint);
  expect(await connection.write(items).done).toMatchObject({
    ...{ status: 'failed', code: 'connection_lost', bytes: 0, drained: false },
    message: `127.0.0.1 port ${world.port}: the receiver does not keep the protocol`,
  });
  expect(await connection.write(items).done).toMatchObject({ code: 'connection_lost', drained: true });
});

test('it revokes in the middle of a frame → write_rejected and drained', async () => {
  const world = await senderTo((socket, received) => {
    socket.write(welcome);
    socket.on('data', () => {
      if (received() > HELLO_BYTES + HEADER_BYTES) socket.end(answer(REVOKED, 0n));
    });
  });
  const connection = await world.connect(world.endpoint);
  expect(await connection.write(items).done).toMatchObject({ code: 'write_rejected', bytes: 0, drained: true });
});

test('the source shrinks in a frame and grows again → segment_invalid', async () => {
  // More than the buffers of two sockets hold, and one frame.
  const bytes = 64 * MIB;
  let path = '';
  const world = await senderTo(
    (socket, received) => {
      socket.write(answer(WELCOME, 0n, BigInt(bytes)));
      socket.once('data', () => socket.once('data', () => truncateSync(path, 0)));
      socket.on('data', () => {
        if (received() < HELLO_BYTES + HEADER_BYTES + bytes) return;
        truncateSync(path, bytes);
        socket.write(answer(DONE, 1n));
      });
    },
    { windowBytes: bytes, sliceBytes: bytes },
  );
  path = join(world.directory, 'large');
  writeFileSync(path, '');
  truncateSync(path, bytes);
  await world.sender.attachSegment('large', path);
  const connection = await world.connect(world.endpoint);
  const outcome = await connection.write([{ segment: 'large', sourceOffset: 0, targetOffset: 0, length: bytes }]).done;
  expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', bytes: 0, drained: true });
});

test('T27: a flood of answers → the sender still closes', async () => {
  const world = await senderTo((socket) => {
    const answers = Buffer.concat(Array(1000).fill(welcome));
    const flood = () => {
      if (!socket.destroyed) socket.write(answers, () => setImmediate(flood));
    };
    flood();
  });
  const connection = await world.connect(world.endpoint);
  await connection.close();
});

test('T27: it does not answer the second stream → that one ends, the first writes on', async () => {
  const sockets: Socket[] = [];
  let ended = () => {};
  const secondEnded = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const world = await senderTo(
    (socket, received) => {
      if (sockets.push(socket) === 2) {
        socket.once('close', ended);
        return;
      }
      socket.write(welcome);
      let tickets = 0n;
      socket.on('data', () => {
        const landed = BigInt(Math.floor((received() - HELLO_BYTES) / (HEADER_BYTES + PIECE)));
        while (tickets < landed) socket.write(answer(DONE, ++tickets));
      });
    },
    { tcpStreams: 2 },
  );
  const connection = await world.connect(world.endpoint);
  const piece = { segment: 's', sourceOffset: 0, targetOffset: 0, length: PIECE };
  const writes = Array.from({ length: 4 }, () => connection.write([piece]).done);
  await secondEnded;
  writes.push(connection.write([piece]).done);
  expect(await Promise.all(writes)).toEqual(Array(5).fill({ status: 'delivered', bytes: PIECE }));
});

test('T27: it closes the second stream during a write → connection_lost, not drained', async () => {
  const sockets: Socket[] = [];
  let isWriting = false;
  const closeSecond = () => isWriting && sockets[1]?.end(welcome);
  const world = await senderTo(
    (socket, received) => {
      if (sockets.push(socket) === 2) {
        closeSecond();
        return;
      }
      socket.write(welcome);
      socket.on('data', () => {
        if (isWriting || received() <= HELLO_BYTES) return;
        isWriting = true;
        closeSecond();
      });
    },
    { tcpStreams: 2 },
  );
  const connection = await world.connect(world.endpoint);
  const outcome = await connection.write(items).done;
  expect(outcome).toMatchObject({ status: 'failed', code: 'connection_lost', bytes: 0, drained: false });
});

test('the sender closes before a frame is answered → connection_lost, not drained', async () => {
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const world = await senderTo((socket, received) => {
    socket.write(welcome);
    socket.on('data', () => received() > HELLO_BYTES + HEADER_BYTES && arrive());
  });
  const connection = await world.connect(world.endpoint);
  const write = connection.write(items).done;
  await arrived;
  await connection.close();
  expect(await write).toMatchObject({ status: 'failed', code: 'connection_lost', bytes: 0, drained: false });
});

test('the receiver does not encrypt as it said → connection_failed, no token in clear', async () => {
  let received = '';
  const world = await senderTo((socket) => {
    socket.on('data', (bytes) => {
      received += bytes.toString('hex');
      socket.write(welcome);
    });
  });
  await expect(world.connect(world.encrypted)).rejects.toMatchObject({ code: 'connection_failed' });
  expect(received).not.toBe('');
  expect(received).not.toContain('ab'.repeat(32));
});
