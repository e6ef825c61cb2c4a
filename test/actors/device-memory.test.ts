/** Memory of devices in the messages: attach, put, describe, acquire and status. The fabric in memory stands in for the device. */
import { expect, test } from 'vitest';
import type { AgentPorts } from '../../src/actors/agent/agent-actor.js';
import { DecodeEngine } from '../../src/client/decode-engine.js';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import type { ArenaOptions, DeviceMemory, SegmentFile, SegmentSource } from '../../src/ports/fabric.js';
import { ForwardingSealedFabric } from '../../src/ports/forwarding-fabric.js';
import { Cluster, defaults, PAGE_BYTES, patternOf, useCluster } from './support.js';

const DEVICE = 'GPU-5a4b3c2d-0011-2233-4455-66778899aabb';
const handleOf = (name: string) => Buffer.from(name.padEnd(64)).toString('base64');
const pathOf = (handle: string) => Buffer.from(handle, 'base64').toString().trim();

/** What a handle names is a file in memory. */
class DeviceFabric extends ForwardingSealedFabric {
  override async createArena({ device, ...options }: ArenaOptions): Promise<DeviceMemory | undefined> {
    await super.createArena(options);
    const { path, pages, pageBytes } = options;
    return device === undefined ? undefined : { handle: handleOf(path), device, bytes: pages * pageBytes };
  }

  override attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    return super.attachSegment(name, typeof source === 'string' ? source : pathOf(source.handle));
  }

  override identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    return super.identify(typeof source === 'string' ? source : pathOf(source.handle));
  }
}

class DeviceCluster extends Cluster {
  protected override decorated(ports: AgentPorts): AgentPorts {
    return { ...ports, fabric: new DeviceFabric(ports.fabric) };
  }
}

const clusters = useCluster(DeviceCluster);
const keys = ['k0', 'k1'];
const cuda = { handle: handleOf('/memory/tensor'), device: DEVICE, offset: 0, bytes: 2 * PAGE_BYTES };

async function cluster(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, device: DEVICE } });
  await made.agent('prefill-0', 'prefill');
  made.fabrics.files.set('/memory/tensor', Buffer.concat(keys.map(patternOf)));
  return made;
}

test('a put from a device to an arena on a device → ready, with its handle', async () => {
  const made = await cluster();
  expect(await made.call('prefill-0', 'attach', { segment: 'engine', cuda })).toMatchObject({ bytes: cuda.bytes });
  const { epoch } = await made.put('prefill-0', 'r', keys);
  expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 2, bytes: 2 * PAGE_BYTES });
  const { arena, ...acquired } = await made.call('decode-0', 'acquire', { request: 'r', epoch });
  expect(arena).toEqual({
    cuda: { handle: expect.stringMatching(/^.{88}$/), device: DEVICE, offset: 0, bytes: 8 * PAGE_BYTES },
    epoch: arena.epoch,
    pageBytes: PAGE_BYTES,
    pages: 8,
  });
  expect((await made.call('decode-0', 'describe', {})).arena).toEqual(arena);
  const path = pathOf(arena.cuda?.handle ?? '');
  const pages = made.pages({ ...acquired, arena: { ...arena, path } });
  expect(pages).toEqual(new Map(keys.map((key) => [key, patternOf(key)])));
});

test('a segment on a device → status shows its device, and not its handle', async () => {
  const made = await cluster();
  await made.call('prefill-0', 'attach', { segment: 'engine', cuda });
  const { segments } = await made.status('prefill-0');
  const row = segments.find(({ segment }) => segment === 'engine');
  expect(row).toEqual({ segment: 'engine', device: DEVICE, bytes: cuda.bytes, chunksInUse: 0 });
});

test('the same memory attached again → as before; other memory → segment_exists', async () => {
  const made = await cluster();
  await made.call('prefill-0', 'attach', { segment: 'engine', cuda });
  expect(await made.call('prefill-0', 'attach', { segment: 'engine', cuda })).toMatchObject({ bytes: cuda.bytes });
  made.fabrics.files.set('/memory/other', new Uint8Array(PAGE_BYTES));
  const other = { ...cuda, handle: handleOf('/memory/other'), bytes: PAGE_BYTES };
  await expect(made.call('prefill-0', 'attach', { segment: 'engine', cuda: other })).rejects.toMatchObject({
    code: 'segment_exists',
    message: 'segment engine is attached to other memory: detach it first, or use another name',
  });
});

test.each([
  ['neither a path nor a device', {}, 'path'],
  ['both a path and a device', { path: '/memory/tensor', cuda }, 'cuda'],
  ['a handle of 63 bytes', { cuda: { ...cuda, handle: Buffer.alloc(63).toString('base64') } }, 'cuda.handle'],
  ['a device by its number', { cuda: { ...cuda, device: '0' } }, 'cuda.device'],
  ['no bytes', { cuda: { ...cuda, bytes: 0 } }, 'cuda.bytes'],
])('attach with %s → invalid_field', async (_, place, field) => {
  const made = await cluster();
  const attached = made.call('prefill-0', 'attach', { segment: 'engine', ...place });
  await expect(attached).rejects.toMatchObject({ code: 'invalid_field', field });
});

test('chunks in an arena on a device → the client has their places, and reads none', async () => {
  const made = await cluster();
  await made.call('prefill-0', 'attach', { segment: 'engine', cuda });
  const { epoch } = await made.put('prefill-0', 'r', keys);
  await made.ended('r');
  const client = new KvferryClient(made.client);
  const engine = new DecodeEngine({ client, agent: 'decode-0', clock: made.clock });
  const chunks = await made.settle(engine.acquire({ request: 'r', epoch }));
  expect(chunks.places.get('k1')).toMatchObject({ length: PAGE_BYTES });
  await expect(chunks.read('k1')).rejects.toMatchObject({
    code: 'arena_unavailable',
    message: 'the arena is on a CUDA device: open arena.cuda with CUDA, and read at the offset in places',
  });
  await made.settle(chunks.release());
});
