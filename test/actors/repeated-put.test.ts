/** P20: outside a session, a copy of a put that was accepted is never refused as if it had not been. */
import { expect, test } from 'vitest';
import type { OperationInput } from '../../src/client/kvferry-client.js';
import { PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();
const keys = ['k0', 'k1'];

async function cluster() {
  const made = clusters.create();
  const decode = await made.agent('decode-0', 'decode');
  const prefill = await made.agent('prefill-0', 'prefill', { shutdownTimeoutMs: 10_000 });
  await made.segment('prefill-0', 'engine', keys);
  return { made, decode, prefill };
}

const offer = { receiver: undefined, timeoutMs: 5000 } as const;

async function codeOf(put: Promise<unknown>): Promise<unknown> {
  return put.then(
    () => 'ok',
    (error: { readonly code: string; readonly details: object }) => [error.code, error.details],
  );
}

test('P20: the agent drains between a put and its copy → duplicate_batch', async () => {
  const { made, prefill } = await cluster();
  const { epoch } = await made.put('prefill-0', 'r', keys, offer);
  void prefill.stop();
  await made.clock.advance(10);
  expect(await codeOf(made.put('prefill-0', 'r', keys, offer))).toEqual(['duplicate_batch', { epoch }]);
  expect(await codeOf(made.put('prefill-0', 'other', keys, offer))).toEqual(['agent_draining', {}]);
  await made.ended('r');
});

test('P20: the agent drains → a request in progress still takes its batches', async () => {
  const { made, prefill } = await cluster();
  await made.put('prefill-0', 'r', ['k0'], { totalChunks: 2, last: false });
  void prefill.stop();
  await made.clock.advance(10);
  await made.put('prefill-0', 'r', ['k1'], { totalChunks: 2, batch: 1, first: 1 });
  expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 2 });
});

test('P20: a copy of a put of staging pages → duplicate_batch, then request_ended', async () => {
  const { made } = await cluster();
  const { segment, offsets } = await made.call('prefill-0', 'stage', { holder: 'engine', pages: 1 });
  const source = [{ segment, offset: offsets[0] as number, length: PAGE_BYTES }];
  const put = { ...offer, source } satisfies Partial<OperationInput<'put'>>;
  const { epoch } = await made.put('prefill-0', 'r', ['k0'], put);
  expect(await codeOf(made.put('prefill-0', 'r', ['k0'], put))).toEqual(['duplicate_batch', { epoch }]);
  await made.ended('r');
  expect(await codeOf(made.put('prefill-0', 'r', ['k0'], put))).toEqual(['request_ended', { epoch }]);
});

test('P20: the agent was paused, or the segment is another file → duplicate_batch', async () => {
  const { made, prefill } = await cluster();
  const { epoch } = await made.put('prefill-0', 'r', keys, { ...offer, timeoutMs: 60_000 });
  await made.freeze(prefill, 3000);
  expect(await codeOf(made.put('prefill-0', 'r', keys, offer))).toEqual(['duplicate_batch', { epoch }]);
  made.fabrics.files.delete('/memory/prefill-0-engine');
  await made.clock.advance(3000);
  expect(await codeOf(made.put('prefill-0', 'r', keys, offer))).toEqual(['duplicate_batch', { epoch }]);
});

test('P20: the receiver is gone when the copy comes → it is no unknown_receiver', async () => {
  const { made, decode } = await cluster();
  await made.put('prefill-0', 'r', ['k0'], { totalChunks: 2, last: false });
  await made.clock.advance(100);
  made.kill(decode);
  await made.ended('r');
  const copy = await codeOf(made.put('prefill-0', 'r', ['k0'], { totalChunks: 2, last: false }));
  expect(copy).toEqual(['request_ended', { epoch: (await made.status('prefill-0')).epoch }]);
});
