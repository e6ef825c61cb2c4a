/** Peers of the same-host socket that do not keep to the protocol: they get little, and nobody else notices. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NativeFabricOptions } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricGrant, FabricPort } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { whyNot } from '../contract/native-harness.js';
import { Child, CompiledFacade } from './children.js';
import { HostilePeer, pathOf } from './hostile-peer.js';

const NOBODY = 65_534;
const MESSAGE_BYTES = 80;
const LOOKS = 50;
const LOOK_INTERVAL_MS = 20;
const reason = whyNot('same-host') ?? HostilePeer.whyNot;

describe.skipIf(reason !== undefined)(`hostile peers ${reason ?? ''}`, () => {
  test('T27: a token is wrong → the peer is refused and hung up on', async () => {
    const { endpoint, grant } = await openReceiver();
    const peer = new HostilePeer('wrong_token', endpoint, grant);
    expect(await peer.line()).toEqual({ refused: true, hungUp: true });
  });

  test('T27: answers are not read → the peer is hung up on', async () => {
    const { endpoint, grant } = await openReceiver();
    const peer = new HostilePeer('unread_answers', endpoint, grant);
    expect(await peer.line()).toEqual({ welcome: true, packetsBelowOneThousand: true });
  });

  test('T27: 300 segments on no device → each copy is refused; a sender is served', async () => {
    const { receiver, endpoint, grant, directory } = await openReceiver();
    const peer = new HostilePeer('devices_of_nothing', endpoint, grant, '300');
    await send(receiver, directory);
    expect(await peer.line()).toEqual({ welcome: true, withoutDevice: 300 });
  });

  test('T27: 300 peers say nothing → 256 stay, for 5 s; a sender is served', async () => {
    const { receiver, endpoint, grant, directory } = await openReceiver();
    const peers = new HostilePeer('silent', endpoint, grant, '300');
    expect(await peers.line()).toEqual({ connected: 300 });
    await send(receiver, directory);
    peers.nudge();
    // The sender was a stranger too, for a moment, so one more had to go.
    expect(await peers.line()).toEqual({ hungUp: 45 });
    expect(await peers.line()).toEqual({ hungUp: 300, fiveSeconds: true });
  });

  test('T27: no descriptor is left for a new peer → the receiver sleeps', async () => {
    const facade = new CompiledFacade();
    const directory = newDirectory();
    onTestFinished(() => facade[Symbol.dispose]());
    const receiver = new Child('receive.mjs', [facade.path, 'same-host', directory]);
    onTestFinished(async () => void (await receiver.kill()));
    const { endpoint, grant } = await receiver.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
    const limit = spawnSync('prlimit', ['--nofile=64:64', '--pid', `${receiver.process.pid}`]);
    expect(limit.status).toBe(0);
    const peers = new HostilePeer('idle', endpoint, grant, '80');
    expect(await peers.line()).toEqual({ connected: true });
    let timesAsleep = 0;
    for (let look = 0; look < LOOKS; look += 1) {
      await delay(LOOK_INTERVAL_MS);
      if (isAsleep(receiver.process.pid)) timesAsleep += 1;
    }
    expect(timesAsleep).toBeGreaterThan(LOOKS / 10);
    peers.end();
    expect(await peers.line()).toEqual({ ended: true });
    const sender = await open({ socketDirectory: directory });
    const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
    await connection.close();
  });

  describe.skipIf(process.geteuid?.() !== 0)('a process of another user (needs root)', () => {
    test('T27: is not served, even if it may open the socket', async () => {
      const { endpoint, grant } = await openReceiver();
      chmodSync(pathOf(endpoint), 0o666);
      const peer = new HostilePeer('other_user', endpoint, grant, `${NOBODY}`);
      expect(await peer.line()).toEqual({ welcome: false });
    });

    test.each([
      ['own', 0, 'a process of another user listens there'],
      ['any', MESSAGE_BYTES, 'the receiver closed the connection'],
    ] as const)('T28: poses as a receiver for %s users → it receives %i bytes', async (socketUsers, bytes, reason) => {
      const { endpoint, grant } = await openReceiver();
      const directory = newDirectory();
      chmodSync(directory, 0o777);
      const hex = Buffer.from(join(directory, 'false.sock')).toString('hex');
      const addressed = (place: string) => ({
        ...endpoint,
        address: `${endpoint.address.split(':')[0]}:${place}:${hex}`,
      });
      const peer = new HostilePeer('false_receiver', addressed('0:0'), grant, `${NOBODY}`);
      const { device, inode } = (await peer.line()) as { device: string; inode: string };
      const sender = await open({ socketDirectory: directory, socketUsers });
      const connecting = sender.connect(addressed(`${device}:${inode}`), grant, { timeoutMs: patient(10_000) });
      await expect(connecting).rejects.toMatchObject({
        code: 'connection_failed',
        message: expect.stringContaining(reason),
      });
      expect(await peer.line()).toEqual({ received: bytes });
    });

    test('is served if the receiver says any user', async () => {
      const { endpoint, grant } = await openReceiver({ socketUsers: 'any' });
      const peer = new HostilePeer('other_user', endpoint, grant, `${NOBODY}`);
      expect(await peer.line()).toEqual({ welcome: true });
    });
  });
});

function newDirectory(): string {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  chmodSync(directory, 0o755);
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function open(options: Partial<NativeFabricOptions>): Promise<FabricPort> {
  const fabric = await openNativeFabric({ providers: ['same-host'], ...options });
  onTestFinished(() => fabric.close());
  return fabric;
}

async function openReceiver(options: Partial<NativeFabricOptions> = {}) {
  const directory = newDirectory();
  const receiver = await open({ socketDirectory: directory, ...options });
  await receiver.createArena({ path: join(directory, 'arena'), pageBytes: 4096, pages: 1 });
  const grant = await receiver.grant('same-host');
  return { receiver, endpoint: receiver.endpoints()[0] as FabricEndpoint, grant, directory };
}

/** One write of an honest sender. */
async function send(receiver: FabricPort, directory: string): Promise<void> {
  const sender = await open({ socketDirectory: directory });
  mkdirSync(join(directory, 'sources'));
  const path = join(directory, 'sources', 'segment');
  writeFileSync(path, 'bytes');
  await sender.attachSegment('s', path);
  const endpoint = receiver.endpoints()[0] as FabricEndpoint;
  const connection = await sender.connect(endpoint, await receiver.grant('same-host'), { timeoutMs: patient(10_000) });
  const item = { segment: 's', sourceOffset: 0, targetOffset: 0, length: 5 };
  expect(await connection.write([item]).done).toEqual({ status: 'delivered', bytes: 5 });
}

/** Whether no thread of the process runs or waits for a processor. A thread that spins always does. */
function isAsleep(pid: number | undefined): boolean {
  const states = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return status.slice(status.lastIndexOf(')') + 2, status.lastIndexOf(')') + 3);
  });
  return states.every((state) => state === 'S');
}
