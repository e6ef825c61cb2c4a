/** `lookup`: a router asks which agent holds how long a prefix of a prompt, and how much it has to do. */
import { expect, test } from 'vitest';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { type Cluster, defaults, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];

async function cluster(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  await made.agent('decode-1', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return made;
}

test('lookup: a prefix is ready → its length, and nothing is leased', async () => {
  const made = await cluster();
  const { epoch } = await made.put('prefill-0', 'r', ['k0', 'k1']);
  await made.ended('r');
  expect(await made.call('decode-0', 'lookup', { keys })).toMatchObject({ held: 2, expected: 2, requests: 1 });
  expect(await made.call('decode-0', 'lookup', { keys: ['k1', 'k0', 'k2'] })).toMatchObject({ held: 2 });
  expect(await made.call('decode-0', 'lookup', { keys: ['k2', 'k0'] })).toMatchObject({ held: 0, expected: 0 });
  expect(await made.call('decode-0', 'lookup', { keys: [] })).toMatchObject({ held: 0, expected: 0 });
  await made.call('decode-0', 'release', { request: 'r', epoch });
  expect(await made.call('decode-0', 'lookup', { keys })).toMatchObject({ held: 0, pages: { free: 8, total: 8 } });
});

test('lookup: chunks are on their way → expected, and not held', async () => {
  const made = await cluster();
  const held = made.fabrics.holdWrites(() => true);
  await made.put('prefill-0', 'r', ['k0', 'k1']);
  await made.clock.until(() => held.held > 0);
  expect(await made.call('decode-0', 'lookup', { keys })).toMatchObject({
    held: 0,
    expected: 2,
    pages: { writing: 2 },
  });
  held.release();
  await made.ended('r');
});

test('lookup: requests wait for pages → queued', async () => {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages: 2 } });
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  await made.put('prefill-0', 'a', ['k0', 'k1']);
  await made.ended('a');
  await made.put('prefill-0', 'b', ['k2'], { first: 2 });
  await made.clock.advance(100);
  expect(await made.call('decode-0', 'lookup', { keys })).toMatchObject({ held: 2, queued: 1, requests: 2 });
});

test('lookup of all: every agent answers once, a prefill agent holds nothing', async () => {
  const made = await cluster();
  await made.put('prefill-0', 'r', ['k0'], { receiver: 'decode-1' });
  await made.ended('r');
  const client = new KvferryClient(made.client);
  const found = await made.settle(client.lookupAll({ keys }));
  expect(found.map(({ agent, role, held }) => [agent, role, held])).toEqual([
    ['decode-0', 'decode', 0],
    ['decode-1', 'decode', 1],
    ['prefill-0', 'prefill', 0],
  ]);
  const startedMs = made.clock.now();
  expect(await made.settle(client.lookupAll({ keys }, { agents: 3, timeoutMs: 5000 }))).toHaveLength(3);
  expect(made.clock.now() - startedMs).toBeLessThan(100);
});
