/** How fabrics end: with their process, their thread, their peer, or because nobody refers to them any more. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type {
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  WriteOutcome,
} from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress, testedProviders, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from './children.js';

const MiB = 2 ** 20;
/** More than the kernel keeps of a connection: a frozen sender is always in the middle of a slice. */
const largeBytes = 16 * MiB;
/** An arena must not be truncated, which is what writing a file does otherwise. */
const inPlace = { flag: 'r+' };
const delivered = { status: 'delivered', bytes: MiB };
const endedWell = { code: 0, signal: null };
const tested = testedProviders(['same-host', 'tcp', 'libfabric-tcp']);

interface Offer {
  readonly endpoint: FabricEndpoint;
  readonly grant: FabricGrant;
}

for (const provider of tested) {
  const reason = whyNot(provider);
  const name = reason === undefined ? `lifetime: ${provider}` : `lifetime: ${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    let facade: CompiledFacade;
    let directory: string;
    let children: Child[];
    let fabrics: FabricPort[];

    beforeAll(() => {
      facade = new CompiledFacade();
    });

    afterAll(() => facade[Symbol.dispose]());

    beforeEach(() => {
      directory = mkdtempSync('/dev/shm/kvferry-test-');
      children = [];
      fabrics = [];
    });

    afterEach(async () => {
      await Promise.all(children.map((child) => child.kill()));
      await Promise.all(fabrics.map((fabric) => fabric.close()));
      rmSync(directory, { recursive: true });
    });

    function start(program: string, args: readonly string[] = [], nodeArgs: readonly string[] = []): Child {
      const child = new Child(program, [facade.path, provider, directory, ...args], nodeArgs);
      children.push(child);
      return child;
    }

    async function open(): Promise<FabricPort> {
      const fabric = await openNativeFabric({ bindAddress, providers: [provider], socketDirectory: directory });
      fabrics.push(fabric);
      return fabric;
    }

    /** A sender in this process, with the whole arena's worth of source. */
    async function openSender(): Promise<FabricPort> {
      const sender = await open();
      writeFileSync(join(directory, 'segment'), pattern('segment', MiB));
      await sender.attachSegment('s', join(directory, 'segment'));
      return sender;
    }

    /** What a fabric makes; the directory is where it makes all of it. */
    function leftBehind(): string[] {
      return readdirSync(directory).filter((name) => name !== 'segment');
    }

    test('leaves nothing behind at process.exit with a write in flight', async () => {
      const child = start('open-everything.mjs', ['exit']);
      expect(await child.line()).toEqual(delivered);
      expect(await child.ended).toEqual(endedWell);
      expect(child.stderr).toBe('');
      expect(leftBehind()).toEqual([]);
    });

    test('leaves nothing behind when an exception ends the process', async () => {
      const child = start('open-everything.mjs', ['throw']);
      expect(await child.line()).toEqual(delivered);
      expect(await child.ended).toEqual({ code: 1, signal: null });
      expect(child.stderr).toContain('on purpose');
      expect(leftBehind()).toEqual([]);
    });

    test('does not keep a process alive when nothing is in flight', async () => {
      const child = start('open-everything.mjs', ['forget']);
      expect(await child.line()).toEqual(delivered);
      expect(await child.ended).toEqual(endedWell);
      expect(leftBehind()).toEqual([]);
    });

    test('keeps a process alive until a write has ended', async () => {
      const child = start('open-everything.mjs', ['collect']);
      expect(await child.line()).toEqual(delivered);
      expect(await child.ended).toEqual(endedWell);
      expect(child.stderr).toBe('');
    });

    test('works in worker threads, which may be terminated in the middle of a write', async () => {
      const child = start('workers.mjs');
      expect(await child.line()).toEqual(Array(4).fill(delivered));
      expect(await child.ended).toEqual(endedWell);
      expect(child.stderr).toBe('');
      const arenas = ['one', 'other', 'endless', 'main'].map((name) => join(directory, name, 'arena'));
      expect(arenas.filter((path) => existsSync(path))).toEqual([]);
    });

    test('a receiver is stopped → connecting ends in time, or with its worker thread', async () => {
      const sender = await open();
      const receiver = start('receive.mjs');
      const { endpoint, grant } = await receiver.line<Offer>();
      await receiver.stop();
      await expect(sender.connect(endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
        code: 'connection_failed',
      });
      const child = start('connecting-worker.mjs', [JSON.stringify(endpoint), JSON.stringify(grant)]);
      expect(await child.line()).toEqual({ exitCode: 1 });
      expect(await child.ended).toEqual(endedWell);
      expect(child.stderr).toBe('');
    });

    test('fifty are opened, used, closed and collected → no descriptor stays open', async () => {
      const gc = exposedGc();
      const count = () => readdirSync('/proc/self/fd').length;
      const use = async (name: string) => {
        mkdirSync(join(directory, name));
        await (await useFabric(provider, join(directory, name))).close();
      };
      await use('first');
      const before = count();
      for (let round = 0; round < 50; round += 1) await use(`${round}`);
      while (count() > before) {
        gc();
        await nextTurn();
      }
    });

    test('is collected when it is forgotten, with everything it holds', async () => {
      const gc = exposedGc();
      mkdirSync(join(directory, 'forgotten'));
      await forgetFabric(provider, join(directory, 'forgotten'));
      while (readdirSync(join(directory, 'forgotten')).length > 0) {
        gc();
        await nextTurn();
      }
    });

    test('a receiver that is killed during a write is noticed by its sender', async () => {
      const sender = await openSender();
      const receiver = start('receive.mjs');
      const { endpoint, grant } = await receiver.line<Offer>();
      const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
      const write = writeUntilItEnds(connection);
      expect(await connection.write([item(MiB)]).done).toEqual(delivered);
      expect(await receiver.kill()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(await write).toMatchObject({ status: 'failed', code: 'connection_lost' });
      expect(await connection.write([item(1)]).done).toMatchObject({ status: 'failed', code: 'connection_lost' });
      await expect(sender.connect(endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
        code: 'connection_failed',
      });
    });

    test('a sender that is killed during a write leaves its receiver as it was', async () => {
      const receiver = await open();
      const arena = join(directory, 'arena');
      await receiver.createArena({ path: arena, pageBytes: MiB, pages: 1 });
      const sender = await openSender();
      const [endpoint] = receiver.endpoints();
      const doomed = await receiver.grant(provider);
      const child = start('send.mjs', [JSON.stringify(endpoint), JSON.stringify(doomed)]);
      expect(await child.line()).toMatchObject({ status: 'delivered' });
      await child.kill();
      await receiver.revoke(doomed.id);
      writeFileSync(arena, pattern('mine', MiB), inPlace);
      const connection = await sender.connect(endpoint as FabricEndpoint, await receiver.grant(provider), {
        timeoutMs: patient(10_000),
      });
      expect(await connection.write([item(4096)]).done).toEqual({ status: 'delivered', bytes: 4096 });
      const expected = pattern('mine', MiB);
      expected.set(pattern('segment', 4096));
      expect(Buffer.compare(readFileSync(arena), expected)).toBe(0);
    });

    test('a sender that was frozen while its grant was revoked lands nothing when it wakes', async () => {
      const receiver = await open();
      const arena = join(directory, 'arena');
      await receiver.createArena({ path: arena, pageBytes: largeBytes, pages: 1 });
      writeFileSync(join(directory, 'segment'), pattern('segment', largeBytes));
      const grant = await receiver.grant(provider);
      const zombie = start('send.mjs', [JSON.stringify(receiver.endpoints()[0]), JSON.stringify(grant)]);
      expect(await zombie.line()).toMatchObject({ status: 'delivered' });
      await untilSomethingLands(arena);
      zombie.process.kill('SIGSTOP');
      await untilQuiet(arena);
      await receiver.revoke(grant.id);
      writeFileSync(arena, pattern('canary', largeBytes), inPlace);
      zombie.process.kill('SIGCONT');
      expect(await zombie.line()).toMatchObject({ status: 'failed', code: 'write_rejected', drained: true });
      expect(await zombie.ended).toEqual(endedWell);
      expect(Buffer.compare(readFileSync(arena), pattern('canary', largeBytes))).toBe(0);
    });

    test('what a killed receiver left in the socket directory is swept by the next', async () => {
      const receiver = start('receive.mjs');
      await receiver.line<Offer>();
      const sockets = () => readdirSync(directory).filter((file) => file.endsWith('.sock'));
      const before = sockets();
      await receiver.kill();
      expect(sockets()).toEqual(before);
      const next = await open();
      await next.createArena({ path: join(directory, 'next'), pageBytes: 4096, pages: 1 });
      expect(sockets().filter((file) => before.includes(file))).toEqual([]);
      expect(sockets()).toHaveLength(before.length);
    });
  });
}

async function untilSomethingLands(arena: string): Promise<void> {
  const zeros = new Uint8Array(largeBytes);
  writeFileSync(arena, zeros, inPlace);
  while (Buffer.compare(readFileSync(arena), zeros) === 0) await nextTurn();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Until a frozen sender's last bytes have arrived: then the receiver waits in the middle of a slice, which is the hardest
 * place to fence. Were it to go on too early, the case would only be an easier one.
 */
async function untilQuiet(arena: string): Promise<void> {
  const zeros = new Uint8Array(largeBytes);
  writeFileSync(arena, zeros, inPlace);
  for (let quietTurns = 0; quietTurns < 10; quietTurns++) {
    await nextTurn();
    if (Buffer.compare(readFileSync(arena), zeros) === 0) continue;
    writeFileSync(arena, zeros, inPlace);
    quietTurns = 0;
  }
}

function item(length: number) {
  return { segment: 's', sourceOffset: 0, targetOffset: 0, length };
}

async function writeUntilItEnds(connection: FabricConnection): Promise<WriteOutcome> {
  for (;;) {
    const outcome = await connection.write(Array(64).fill(item(MiB))).done;
    if (outcome.status !== 'delivered') return outcome;
  }
}

/** Its own function, so that no frame that lives on refers to the fabric. */
async function forgetFabric(provider: NativeProvider, directory: string): Promise<void> {
  await useFabric(provider, directory);
}

async function useFabric(provider: NativeProvider, directory: string): Promise<FabricPort> {
  const fabric = await openNativeFabric({ bindAddress, providers: [provider], socketDirectory: directory });
  await fabric.createArena({ path: join(directory, 'arena'), pageBytes: 4096, pages: 1 });
  await fabric.createSegment('s', join(directory, 'segment'), 4096);
  const [endpoint] = fabric.endpoints();
  const connection = await fabric.connect(endpoint as FabricEndpoint, await fabric.grant(provider), {
    timeoutMs: patient(10_000),
  });
  expect(await connection.write([item(4096)]).done).toEqual({ status: 'delivered', bytes: 4096 });
  return fabric;
}

function exposedGc(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
