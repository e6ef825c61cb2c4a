/** T29: prefill does not know the decode server. A router names it later, never, twice, or names two. */
import { describe, expect, test } from 'vitest';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import { isKvferryError, type KvferryError } from '../../src/protocol/errors.js';
import { type Cluster, defaults, PAGE_BYTES, patternOf, useCluster } from './support.js';

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

/** Puts without a receiver. */
function offer(made: Cluster, request: string, batch: readonly string[] = keys, options: object = {}) {
  return made.put('prefill-0', request, batch, { receiver: undefined, ...options });
}

function route(made: Cluster, input: OperationInput<'route'>): Promise<{ epoch: string }> {
  return made.call('prefill-0', 'route', input);
}

/** A decode agent without a free page: a request that nobody releases holds all of them. */
async function fullDecodeAgent(made: Cluster, agent: string): Promise<void> {
  await made.agent(agent, 'decode', { arena: { ...defaults.arena, pages: keys.length } });
  await offer(made, 'blocker');
  await route(made, { request: 'blocker', receiver: agent });
  await made.ended('blocker');
}

async function refusal(call: Promise<unknown>): Promise<KvferryError> {
  const error = await call.then(
    () => undefined,
    (refused: unknown) => refused,
  );
  if (isKvferryError(error)) return error;
  throw new Error(`the call was not refused: ${String(error)}`);
}

async function freePages(made: Cluster, agent: string): Promise<number | undefined> {
  return (await made.status(agent)).pages?.free;
}

async function requestsAt(made: Cluster, agent: string) {
  return (await made.status(agent)).requests.map(({ request, state }) => [request, state]);
}

describe('T29: a router names the receiver later', () => {
  test('T29: put without a receiver → source memory is in use, no page is', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r');
    await made.clock.advance(20_000);
    expect(await requestsAt(made, 'prefill-0')).toEqual([['r', 'offered']]);
    const { segments, peers } = await made.status('prefill-0');
    expect([segments.map(({ chunksInUse }) => chunksInUse), peers]).toEqual([[0, 4], []]);
    expect(await freePages(made, 'decode-0')).toBe(8);
    expect([made.terminals, made.released]).toEqual([[], []]);
    expect(epoch).toBe((await made.status('prefill-0')).epoch);
  });

  test('T29: routed → the chunks arrive at that receiver, with one end', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r');
    expect(await route(made, { request: 'r', epoch, receiver: 'decode-1' })).toMatchObject({ epoch });
    expect(await made.ended('r')).toMatchObject({
      end: 'ready',
      receiver: 'decode-1',
      chunks: 4,
      bytes: 4 * PAGE_BYTES,
    });
    const acquired = await made.call('decode-1', 'acquire', { request: 'r', epoch });
    expect(made.pages(acquired)).toEqual(new Map(keys.map((key) => [key, patternOf(key)])));
    expect(made.released).toMatchObject([{ request: 'r', batch: 0, positions: [0, 1, 2, 3] }]);
    expect((await made.status('prefill-0')).counters).toMatchObject({ requests_accepted: 1, requests_routed: 1 });
    await made.clock.advance(60_000);
    expect(made.terminals).toHaveLength(1);
  });

  test('T29: routed while prefill goes on → later batches follow', async () => {
    const made = await cluster();
    const first = { totalChunks: 4, last: false };
    const { epoch } = await offer(made, 'r', ['k0', 'k1'], first);
    await offer(made, 'r', ['k2'], { ...first, batch: 1, first: 2 });
    await route(made, { request: 'r', receiver: 'decode-0' });
    await offer(made, 'r', ['k3'], { totalChunks: 4, batch: 2, first: 3 });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 4 });
    const acquired = await made.call('decode-0', 'acquire', { request: 'r', epoch });
    expect(made.pages(acquired)).toEqual(new Map(keys.map((key) => [key, patternOf(key)])));
  });

  test('T29: routed twice to one receiver → sent once', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r');
    const same = { request: 'r', receiver: 'decode-0' };
    const answers = await Promise.all([route(made, same), route(made, same)]);
    expect(answers.map((answer) => answer.epoch)).toEqual([epoch, epoch]);
    await made.ended('r');
    expect((await made.status('decode-0')).counters['chunks_written']).toBe(4);
    expect(made.terminals).toHaveLength(1);
    expect((await made.status('prefill-0')).counters['requests_routed']).toBe(1);
  });

  test('T29: routed to two receivers at once → sent to the first only', async () => {
    const made = await cluster();
    await offer(made, 'r');
    const [, second] = await Promise.allSettled([
      route(made, { request: 'r', receiver: 'decode-0' }),
      route(made, { request: 'r', receiver: 'decode-1' }),
    ]);
    expect(second).toMatchObject({
      status: 'rejected',
      reason: { code: 'already_routed', field: 'receiver', details: { receiver: 'decode-0' } },
    });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', receiver: 'decode-0' });
    expect(await freePages(made, 'decode-1')).toBe(8);
  });

  test('T29: never routed → expired at its deadline, memory comes back once', async () => {
    const made = await cluster();
    const { epoch } = await offer(made, 'r', keys, { timeoutMs: 5000 });
    const event = await made.ended('r');
    const message = 'no router named the receiver of request r within 5000 ms: send route';
    expect(event).toMatchObject({ end: 'expired', sender: 'prefill-0', epoch, chunks: 4, bytes: 0 });
    expect(event.reason).toEqual({ code: 'deadline_exceeded', message });
    expect(event.receiver).toBeUndefined();
    expect(made.released).toMatchObject([{ request: 'r', batch: 0, positions: [0, 1, 2, 3] }]);
    await made.call('prefill-0', 'detach', { segment: 'engine' });
    expect(await refusal(route(made, { request: 'r', receiver: 'decode-0' }))).toMatchObject({
      code: 'request_ended',
      end: 'expired',
    });
  });

  test('T29: the route brings a time limit → it counts from the route on', async () => {
    const made = await cluster();
    await fullDecodeAgent(made, 'decode-2');
    await made.segment('prefill-0', 'other', ['n0']);
    await made.put('prefill-0', 'r', ['n0'], {
      receiver: undefined,
      timeoutMs: 5000,
      source: [{ segment: 'other', offset: 0, length: PAGE_BYTES }],
    });
    await made.clock.advance(4000);
    await route(made, { request: 'r', receiver: 'decode-2', timeoutMs: 9000 });
    await made.clock.advance(8000);
    expect(made.terminals).toHaveLength(1);
    expect(await made.ended('r', 2000)).toMatchObject({ end: 'expired' });
  });

  test('T29: the receiver is looked up → that counts for the time of the route', async () => {
    const made = await cluster();
    await fullDecodeAgent(made, 'decode-2');
    await made.agent('prefill-1', 'prefill');
    await made.segment('prefill-1', 'engine', ['n0']);
    await made.put('prefill-1', 'r', ['n0'], { receiver: undefined });
    made.network.fate = ({ subject }) => ({
      copies: 1,
      delayMs: subject.endsWith('.decode-2.default.describe') ? 200 : 0,
    });
    const startMs = made.clock.now();
    await made.call('prefill-1', 'route', { request: 'r', receiver: 'decode-2', timeoutMs: 3000 });
    expect(made.clock.now() - startMs).toBeGreaterThanOrEqual(400);
    expect(await made.ended('r')).toMatchObject({ end: 'expired' });
    expect(made.clock.now() - startMs).toBeLessThan(3400);
  });
});

describe('T29: an offered request that ends, and routes that are refused', () => {
  test('T29: cancelled before the route → one end, memory back', async () => {
    const made = await cluster();
    await offer(made, 'r');
    await made.call('prefill-0', 'cancel', { request: 'r' });
    expect(await made.ended('r')).toMatchObject({ end: 'cancelled', reason: { code: 'cancelled_by_caller' } });
    expect(made.released).toMatchObject([{ positions: [0, 1, 2, 3] }]);
    expect(await requestsAt(made, 'prefill-0')).toEqual([]);
    expect(made.terminals).toHaveLength(1);
  });

  test('T29: the receiver does not exist → refused, the request stays offered', async () => {
    const made = await cluster();
    await offer(made, 'r');
    expect(await refusal(route(made, { request: 'r', receiver: 'nobody' }))).toMatchObject({
      code: 'unknown_receiver',
    });
    expect(await refusal(route(made, { request: 'r', receiver: 'prefill-0' }))).toMatchObject({
      code: 'role_mismatch',
    });
    await route(made, { request: 'r', receiver: 'decode-0' });
    expect(await made.ended('r')).toMatchObject({ end: 'ready', receiver: 'decode-0' });
  });

  test('T29: a chunk is longer than a page → refused, the request stays offered', async () => {
    const made = await cluster();
    await made.agent('decode-2', 'decode', { arena: { ...defaults.arena, pageBytes: PAGE_BYTES / 2 } });
    await offer(made, 'r');
    const error = await refusal(route(made, { request: 'r', receiver: 'decode-2' }));
    expect([error.code, error.field, error.message]).toEqual([
      'invalid_field',
      'receiver',
      'chunks of 64 bytes do not fit a page of 32 bytes',
    ]);
    expect(await requestsAt(made, 'prefill-0')).toEqual([['r', 'offered']]);
  });

  test('T29: another epoch or an unknown request → unknown_request', async () => {
    const made = await cluster();
    await offer(made, 'r');
    for (const input of [
      { request: 'r', epoch: 'f'.repeat(16), receiver: 'decode-0' },
      { request: 'other', receiver: 'decode-0' },
    ]) {
      expect(await refusal(route(made, input))).toMatchObject({ code: 'unknown_request' });
    }
  });

  test('T29: the put named a receiver → a route to another is refused', async () => {
    const made = await cluster();
    const { epoch } = await made.put('prefill-0', 'r', ['k0'], { totalChunks: 2, last: false });
    expect(await route(made, { request: 'r', receiver: 'decode-0' })).toMatchObject({ epoch });
    expect(await refusal(route(made, { request: 'r', receiver: 'decode-1' }))).toMatchObject({
      code: 'already_routed',
    });
  });

  test('T29: a later batch names a receiver → refused with the field', async () => {
    const made = await cluster();
    const first = { totalChunks: 2, last: false };
    await offer(made, 'r', ['k0'], first);
    const more = made.put('prefill-0', 'r', ['k1'], { batch: 1, totalChunks: 2, first: 1 });
    expect(await refusal(more)).toMatchObject({ code: 'invalid_field', field: 'receiver' });
    await route(made, { request: 'r', receiver: 'decode-0' });
    const again = made.put('prefill-0', 'r', ['k1'], { batch: 1, totalChunks: 2, first: 1 });
    expect(await refusal(again)).toMatchObject({ code: 'invalid_field', field: 'receiver' });
  });

  test('T29: offers count as requests in progress → too many are refused', async () => {
    const made = clusters.create();
    await made.agent('prefill-0', 'prefill', { requestsMax: 1 });
    await made.segment('prefill-0', 'engine', keys);
    await offer(made, 'a', ['k0']);
    expect(await refusal(offer(made, 'b', ['k1'], { first: 1 }))).toMatchObject({ code: 'too_many_requests' });
  });

  test('T29: the agent stops → offers are cancelled, with one end each', async () => {
    const made = clusters.create();
    const agent = await made.agent('prefill-0', 'prefill', { shutdownTimeoutMs: 2000 });
    await made.segment('prefill-0', 'engine', keys);
    await offer(made, 'r');
    await made.settle(agent.stop());
    expect(await made.ended('r')).toMatchObject({ end: 'cancelled' });
    expect(made.terminals).toHaveLength(1);
  });

  test('T29: explain of an offered request → it waits for a router', async () => {
    const made = await cluster();
    await offer(made, 'r');
    await made.clock.advance(1000);
    const { explanations } = await made.call('prefill-0', 'explain', { request: 'r' });
    expect(explanations).toMatchObject([{ state: 'offered', waiting: { gate: 'router', endsInMs: 29_000 } }]);
    await route(made, { request: 'r', receiver: 'decode-0' });
    const actors = (await made.call('prefill-0', 'inspect', { request: 'r' })).actors;
    expect(actors.filter(({ machine }) => machine === 'request')).toMatchObject([{ peer: 'decode-0' }]);
  });
});
