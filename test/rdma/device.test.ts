/**
 * What only a device can show. It reads and writes memory by itself: so it has bytes on the way that no process can call back,
 * it goes on when its process is stopped, and the pages that it uses must stay in memory.
 */
import { mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricConnection, FabricEndpoint, FabricGrant, WriteOutcome } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from '../native/children.js';
import { connectedPair } from '../native/connected-pair.js';
import type { Figures } from './order.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const provider = 'verbs';
const timeoutMs = patient(10_000);
/** An arena must not be truncated, which is what writing a file does otherwise. */
const inPlace = { flag: 'r+' };
const SENDERS = 16;
const ROUNDS = 8;
/** As receive.mjs has. */
const ARENA_BYTES = MiB;

describe('a device', () => {
  let facade: CompiledFacade;
  beforeAll(() => {
    facade = new CompiledFacade();
  });
  afterAll(() => facade[Symbol.dispose]());

  test('T26: revoked in mid-write → the rest is refused, and nothing lands', async ({ task }) => {
    const bytes = 4 * MiB;
    const pair = await connectedPair(provider, { pageBytes: bytes, pages: 1 });
    writeFileSync(pair.segment, pattern('zombie', bytes));
    await pair.sender.attachSegment('s', pair.segment);
    const outcomes: WriteOutcome[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      writeFileSync(pair.arena, new Uint8Array(bytes), inPlace);
      const grant = await pair.receiver.grant(provider);
      const connection = await pair.sender.connect(pair.receiver.endpoints()[0] as FabricEndpoint, grant, {
        timeoutMs,
      });
      const zombie = writeUntilItEnds(connection, bytes);
      await untilSomethingLanded(pair.arena);
      await pair.receiver.revoke(grant.id);
      const canary = pattern(`canary ${round}`, bytes);
      writeFileSync(pair.arena, canary, inPlace);
      outcomes.push(await zombie, await connection.write([item(KiB)]).done);
      expect(Buffer.compare(readFileSync(pair.arena), canary)).toBe(0);
      await connection.close();
    }
    const rejected = outcomes.filter((outcome) => outcome.status === 'failed' && outcome.code === 'write_rejected');
    Object.assign(task.meta, { zombieWritesRejected: rejected.length } satisfies Partial<Figures>);
    expect(rejected).toHaveLength(2 * ROUNDS);
  });

  test('T23: a segment is filled again in place → never its old bytes', async ({ task }) => {
    const { arena, segment, sender, connection } = await connectedPair(provider, { pageBytes: MiB, pages: 1 });
    writeFileSync(segment, pattern('round 0', MiB));
    await sender.attachSegment('s', segment);
    expect(await connection.write([item(MiB)]).done).toEqual({ status: 'delivered', bytes: MiB });
    let stale = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      truncateSync(segment, 0);
      const now = pattern(`round ${round}`, MiB);
      writeFileSync(segment, now, inPlace);
      const { status } = await connection.write([item(MiB)]).done;
      if (status === 'delivered' && Buffer.compare(readFileSync(arena), now) !== 0) stale += 1;
    }
    Object.assign(task.meta, { staleDelivered: stale } satisfies Partial<Figures>);
    expect(stale).toBe(0);
  });

  test('P29: the receiver is stopped in mid-write → the device goes on', async () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const receiver = new Child('receive.mjs', [facade.path, provider, directory]);
    const sender = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
    onTestFinished(async () => {
      await Promise.all([sender.close(), receiver.kill()]);
      rmSync(directory, { recursive: true });
    });
    const { endpoint, grant } = await receiver.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
    const connection = await sender.connect(endpoint, grant, { timeoutMs });
    writeFileSync(join(directory, 'segment'), pattern('first', ARENA_BYTES));
    await sender.attachSegment('s', join(directory, 'segment'));
    const begun = connection.write(Array(16).fill(item(ARENA_BYTES)));
    await untilSomethingLanded(join(directory, 'arena'));
    receiver.process.kill('SIGSTOP');
    expect(await begun.done).toEqual({ status: 'delivered', bytes: 16 * ARENA_BYTES });
    writeFileSync(join(directory, 'segment'), pattern('second', ARENA_BYTES), inPlace);
    expect(await connection.write([item(ARENA_BYTES)]).done).toEqual({ status: 'delivered', bytes: ARENA_BYTES });
    expect(Buffer.compare(readFileSync(join(directory, 'arena')), pattern('second', ARENA_BYTES))).toBe(0);
  });

  test('T26: 16 senders, an arena of half the memory → bytes arrive, locked once', async () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const options = { providers: [provider], bindAddress, socketDirectory: directory, windowBytes: MiB } as const;
    const receiver = await openNativeFabric(options);
    const senders = await Promise.all(Array.from({ length: SENDERS }, () => openNativeFabric(options)));
    onTestFinished(async () => {
      await Promise.all([receiver, ...senders].map((fabric) => fabric.close()));
      rmSync(directory, { recursive: true });
    });
    const path = join(directory, 'arena');
    const pages = Math.floor(totalmem() / 2 / MiB);
    await receiver.createArena({ path, pageBytes: MiB, pages });
    // Each sender has its own pages, at the same distance from each other: the first and the last page are among them.
    const offsetOf = (index: number) => Math.floor((index * (pages - 1)) / (SENDERS - 1)) * MiB;
    const outcomes = await Promise.all(
      senders.map(async (sender, index) => {
        const segment = join(directory, `segment-${index}`);
        writeFileSync(segment, pattern(`sender ${index}`, MiB));
        await sender.attachSegment('s', segment);
        const grant = await receiver.grant(provider);
        const connection = await sender.connect(receiver.endpoints()[0] as FabricEndpoint, grant, { timeoutMs });
        return connection.write([{ ...item(MiB), targetOffset: offsetOf(index) }]).done;
      }),
    );
    expect(outcomes).toEqual(Array(SENDERS).fill({ status: 'delivered', bytes: MiB }));
    // The arena once, and a window for each sender; the rest are queues.
    expect(lockedBytes()).toBeLessThan(pages * MiB + SENDERS * (options.windowBytes + 4 * MiB));
    const arena = openSync(path, 'r');
    const arrived = new Uint8Array(MiB);
    for (let index = 0; index < SENDERS; index += 1) {
      readSync(arena, arrived, 0, MiB, offsetOf(index));
      expect(Buffer.compare(arrived, pattern(`sender ${index}`, MiB)), `the bytes of sender ${index}`).toBe(0);
    }
  });
});

function item(length: number) {
  return { segment: 's', sourceOffset: 0, targetOffset: 0, length };
}

async function writeUntilItEnds(connection: FabricConnection, bytes: number): Promise<WriteOutcome> {
  for (;;) {
    const outcome = await connection.write(Array(16).fill(item(bytes))).done;
    if (outcome.status !== 'delivered') return outcome;
  }
}

/** What registrations keep in memory, of this process. */
function lockedBytes(): number {
  return Number(/^VmPin:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * KiB;
}

/** In an arena that had only zeros. */
async function untilSomethingLanded(arena: string): Promise<void> {
  const zeros = new Uint8Array(statSync(arena).size);
  while (Buffer.compare(readFileSync(arena), zeros) === 0) await new Promise((resolve) => setImmediate(resolve));
}
