/** What the agent may still read, listed in parts of bounded size. */
import { expect, test } from 'vitest';
import { SourceLoans } from '../../src/actors/sending/source-loans.js';

const place = { segment: 's', offset: 0, length: 1 };
const placesOf = (count: number) => Array.from({ length: count }, (_, index) => ({ ...place, offset: index }));

/** Every batch, asked for part by part. */
function listAll(loans: SourceLoans): { readonly names: string[]; readonly replies: number } {
  const names: string[] = [];
  let replies = 0;
  for (let after: { request: string; batch: number } | undefined, first = true; first || after !== undefined; ) {
    first = false;
    const { batches, next } = loans.list(after === undefined ? {} : { after }, 'default');
    names.push(...batches.map(({ request, batch }) => `${request} ${batch}`));
    after = next;
    replies += 1;
  }
  return { names, replies };
}

test('more batches than one reply lists → next leads to the rest', () => {
  const loans = new SourceLoans();
  const expected: string[] = [];
  for (let n = 0; n < 600; n += 1) {
    for (const batch of [0, 1]) {
      const request = `r${String(n).padStart(4, '0')}`;
      loans.add({ request, batch, session: undefined }, placesOf(1));
      expected.push(`${request} ${batch}`);
    }
  }
  expect(listAll(loans)).toEqual({ names: expected, replies: 3 });
});

test('many requests of one batch → next leads to the rest', () => {
  const loans = new SourceLoans();
  const names = Array.from({ length: 1200 }, (_, n) => `r${String(n).padStart(4, '0')}`);
  for (const request of names) loans.add({ request, batch: 0, session: undefined }, placesOf(1));
  expect(listAll(loans)).toEqual({ names: names.map((name) => `${name} 0`), replies: 3 });
});

test('large batches → each is whole, and few are in one reply', () => {
  const loans = new SourceLoans();
  for (const batch of [0, 1, 2]) loans.add({ request: 'r', batch, session: undefined }, placesOf(8192));
  expect(listAll(loans)).toEqual({ names: ['r 0', 'r 1', 'r 2'], replies: 2 });
});

test('a position that is released twice → its place is returned once', () => {
  const loans = new SourceLoans();
  loans.add({ request: 'r', batch: 0, session: 'one' }, placesOf(3));
  expect(loans.release('r', 0, [2, 1, 7]).places).toEqual([
    { ...place, offset: 2 },
    { ...place, offset: 1 },
  ]);
  expect(loans.release('r', 0, [1]).places).toEqual([]);
  expect([loans.countOf('one'), loans.countOf('two'), loans.list({}, 'default').batches]).toEqual([
    1,
    0,
    [{ request: 'r', batch: 0, positions: [0] }],
  ]);
  loans.release('r', 0, [0]);
  expect([loans.has('r'), loans.countOf('one'), loans.list({ request: 'r' }, 'default')]).toEqual([
    false,
    0,
    { batches: [] },
  ]);
});
