/** Chunks that lie in pieces of a segment: from the `put` to the bytes that a decode engine reads. */

import { expect, test } from 'vitest';
import type { Pieces } from '../../src/protocol/fields.js';
import { type Cluster, defaults, PAGE_BYTES, useCluster } from './support.js';

const clusters = useCluster();
const BLOCKS = 8;
const LAYERS = 4;
const PIECE = PAGE_BYTES / LAYERS;
const LAYER = BLOCKS * PIECE;

/** A paged KV cache: for each layer, the pieces of all blocks. Byte i has the value of its piece. */
const cache = Uint8Array.from({ length: LAYERS * LAYER }, (_, index) => Math.floor(index / PIECE));

function blockOf(number: number): Uint8Array {
  const layers = Array.from({ length: LAYERS }, (_, layer) => new Uint8Array(PIECE).fill(layer * BLOCKS + number));
  return Uint8Array.from(layers.flatMap((layer) => [...layer]));
}

async function cluster(): Promise<Cluster> {
  const made = clusters.create();
  await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill', { staging: { ...defaults.staging, pages: 1, pageBytes: PAGE_BYTES } });
  made.fabrics.files.set('/memory/cache', cache);
  await made.call('prefill-0', 'attach', { segment: 'engine', path: '/memory/cache' });
  return made;
}

const pieces = { count: LAYERS, stride: LAYER };
const block = (number: number) => ({ segment: 'engine', offset: number * PIECE, length: PAGE_BYTES, pieces });

test('blocks of a paged cache, next to each other and alone → whole chunks', async () => {
  const made = await cluster();
  const keys = ['b2', 'b3', 'b4', 'b7'];
  const source = [{ ...block(2), count: 3 }, block(7)];
  const { epoch } = await made.put('prefill-0', 'r', keys, { source });
  expect(await made.ended('r')).toMatchObject({ end: 'ready', chunks: 4, bytes: 4 * PAGE_BYTES });
  const acquired = await made.call('decode-0', 'acquire', { request: 'r', epoch });
  expect(made.pages(acquired)).toEqual(new Map([2, 3, 4, 7].map((number) => [`b${number}`, blockOf(number)])));
});

test('the stride of chunks in pieces → from one first piece to the next', async () => {
  const made = await cluster();
  const { epoch } = await made.put('prefill-0', 'r', ['b0', 'b5'], {
    source: [{ ...block(0), count: 2, stride: 5 * PIECE }],
  });
  await made.ended('r');
  const acquired = await made.call('decode-0', 'acquire', { request: 'r', epoch });
  expect(made.pages(acquired)).toEqual(new Map([0, 5].map((number) => [`b${number}`, blockOf(number)])));
});

const COUNT = 'must be a whole number from 1 to 65536: the number of pieces that make up a chunk';
const STRIDE =
  'must be a whole number from 1 to 9007199254740991: the bytes from the start of one piece to the start of the next';
const REMEDY = `but segment engine has ${LAYERS * LAYER} bytes: correct offset, length, count, stride or pieces`;

test.each<[string, object, string, string]>([
  [
    'too many for the length',
    { count: 3, stride: LAYER },
    'source[0].pieces.count',
    '64 bytes cannot be 3 equal pieces: length must be a multiple of it',
  ],
  [
    'that overlap',
    { count: LAYERS, stride: PIECE - 1 },
    'source[0].pieces.stride',
    `pieces of ${PIECE} bytes overlap ${PIECE - 1} bytes apart: stride must be at least ${PIECE}`,
  ],
  [
    'of which the last is outside',
    { count: LAYERS, stride: LAYER + BLOCKS },
    'source[0]',
    `the run ends at byte ${7 * PIECE + (LAYERS - 1) * (LAYER + BLOCKS) + PIECE}, ${REMEDY}`,
  ],
  [
    'far outside',
    { count: LAYERS, stride: Number.MAX_SAFE_INTEGER },
    'source[0]',
    `the run ends beyond byte 9007199254740991, ${REMEDY}`,
  ],
  ['more than a chunk may have', { count: 65_537, stride: LAYER }, 'source[0].pieces.count', COUNT],
  ['none', { count: 0, stride: LAYER }, 'source[0].pieces.count', COUNT],
  ['a fraction', { count: 1.5, stride: LAYER }, 'source[0].pieces.count', COUNT],
  ['without a number', { stride: LAYER }, 'source[0].pieces.count', COUNT],
  ['at no distance', { count: LAYERS, stride: 0 }, 'source[0].pieces.stride', STRIDE],
  ['at a distance in words', { count: LAYERS, stride: 'far' }, 'source[0].pieces.stride', STRIDE],
])('pieces %s → the put is refused', async (_, wrong, field, message) => {
  const made = await cluster();
  const put = made.put('prefill-0', 'r', ['b7'], { source: [{ ...block(7), pieces: wrong as Pieces }] });
  const text = message === COUNT || message === STRIDE ? `${field}: ${message}` : message;
  await expect(put).rejects.toMatchObject({ code: 'invalid_field', field, message: text });
});

test('pieces of a staging page → the put is refused', async () => {
  const made = await cluster();
  const { segment, offsets } = await made.call('prefill-0', 'stage', { holder: 'e', pages: 1 });
  const source = [{ segment, offset: offsets[0] as number, length: 8, pieces: { count: 2, stride: 16 } }];
  const put = made.put('prefill-0', 'r', ['k'], { source });
  await expect(put).rejects.toMatchObject({ code: 'invalid_field', field: 'source[0].pieces' });
});
