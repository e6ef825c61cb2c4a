/** T29: a route that leaves out the first chunks of the prompt, because the decode engine has them. */
import { describe, expect, test } from 'vitest';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import { toFailure } from '../../src/protocol/codec.js';
import { type Cluster, defaults, PAGE_BYTES, patternOf, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1', 'k2', 'k3'];

async function cluster(pages: number = defaults.arena.pages): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode', { arena: { ...defaults.arena, pages } });
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', keys);
  return made;
}

function offer(made: Cluster, request: string, batch: readonly string[] = keys, options: object = {}) {
  return made.put('prefill-0', request, batch, { receiver: undefined, ...options });
}

function route(made: Cluster, input: Omit<OperationInput<'route'>, 'receiver'>): Promise<{ epoch: string }> {
  return made.call('prefill-0', 'route', { receiver: 'decode-0', ...input });
}

async function arrived(made: Cluster, request: string, epoch: string) {
  return made.pages(await made.call('decode-0', 'acquire', { request, epoch }));
}

function released(made: Cluster) {
  return made.released.map(({ batch, positions }) => [batch, positions]);
}

describe('T29: a route skips the first chunks', () => {
  test('T29: three of four are skipped → one travels, three slots come back first', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r');
    await route(made, { request: 'r', skip: 3 });
    expect(released(made)).toEqual([[0, [0, 1, 2]]]);
    expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 1, deduplicated: 0, bytes: PAGE_BYTES });
    expect(await arrived(made, 'r', epoch)).toEqual(new Map([['k3', patternOf('k3')]]));
    expect(released(made)).toEqual([
      [0, [0, 1, 2]],
      [0, [3]],
    ]);
    expect((await made.status('prefill-0')).counters).toMatchObject({ chunks_skipped: 3 });
    expect((await made.status('decode-0')).pages).toMatchObject({ ready: 1, free: 7 });
    await made.call('prefill-0', 'detach', { segment: 'engine' });
  });

  test('T29: whole batches are skipped, before and after the route → the rest arrives', async () => {
    const made = await cluster();
    const open = { totalChunks: 4, last: false };
    const { epoch } = await offer(made, 'r', ['k0'], open);
    await route(made, { request: 'r', skip: 2 });
    await offer(made, 'r', ['k1'], { ...open, batch: 1, first: 1 });
    await offer(made, 'r', ['k2', 'k3'], { totalChunks: 4, batch: 2, first: 2 });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 2 });
    expect(await arrived(made, 'r', epoch)).toEqual(new Map(['k2', 'k3'].map((key) => [key, patternOf(key)])));
    expect(released(made)).toEqual([
      [0, [0]],
      [1, [0]],
      [2, [0, 1]],
    ]);
  });

  test('T29: a batch after the route is skipped in part → the rest of it arrives', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r', ['k0', 'k1'], { totalChunks: 4, last: false });
    await route(made, { request: 'r', skip: 3 });
    await offer(made, 'r', ['k2', 'k3'], { totalChunks: 4, batch: 1, first: 2 });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 1 });
    expect(await arrived(made, 'r', epoch)).toEqual(new Map([['k3', patternOf('k3')]]));
    expect(released(made)).toEqual([
      [0, [0, 1]],
      [1, [0]],
      [1, [1]],
    ]);
  });

  test('T29: only what travels must fit the arena → a longer prompt is sent', async () => {
    const made = await cluster(2);
    await offer(made, 'r');
    const refused = await route(made, { request: 'r', skip: 1 }).catch(toFailure);
    expect(refused).toEqual({
      code: 'request_too_large',
      message:
        'request r has 3 chunks to send, and agent decode-0 has 2 pages: name another receiver, or start that one with more --arena-pages',
      field: 'receiver',
    });
    await route(made, { request: 'r', skip: 2 });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 2 });
  });

  test('T29: cancelled while it waits for pages → each slot comes back once', async () => {
    const made = await cluster(2);
    await made.put('prefill-0', 'blocker', ['k0', 'k1']);
    await made.ended('blocker');
    await offer(made, 'r');
    await route(made, { request: 'r', skip: 2 });
    await made.clock.advance(1000);
    await made.call('prefill-0', 'cancel', { request: 'r' });
    expect(await made.ended('r')).toMatchObject({ end: 'cancelled', chunks: 2 });
    expect(released(made)).toEqual([
      [0, [0, 1]],
      [0, [0, 1]],
      [0, [2, 3]],
    ]);
  });

  test('T29: nothing is left to send → refused, the request stays offered', async () => {
    const made = await cluster();
    await offer(made, 'r');
    expect(await route(made, { request: 'r', skip: 4 }).catch(toFailure)).toEqual({
      code: 'invalid_field',
      message: 'request r has 4 chunks, and skip leaves none of them: cancel it',
      field: 'skip',
    });
    expect(released(made)).toEqual([]);
    await route(made, { request: 'r' });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 4 });
  });

  test('T29: a second route wants a skipped chunk → refused; fewer chunks → accepted', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r', ['k0', 'k1'], { totalChunks: 4, last: false });
    await route(made, { request: 'r', skip: 2 });
    expect(await route(made, { request: 'r', skip: 1 }).catch(toFailure)).toEqual({
      code: 'already_routed',
      message: 'request r was already routed without its first 2 chunks: it is sent once, as the first route says',
      field: 'receiver',
    });
    expect(await route(made, { request: 'r', skip: 3 })).toMatchObject({ epoch });
  });
});
