/** Which addresses stand for all addresses of a host. */
import { expect, test } from 'vitest';
import { isWildcard } from '../../src/ports/wildcard.js';

const all = ['0.0.0.0', '::', '[::]', '*', '0', '0x0', '0x0.0.0.0', '00.0.0.0', '::ffff:0.0.0.0', '0:0:0:0:0:0:0:0'];
const one = [
  '127.0.0.1',
  '::1',
  '0.0.0.1',
  '10.0.0.0',
  '100.0.0.0',
  'fe80::1',
  '::ffff:10.0.0.1',
  '0x0a.0.0.1',
  'host',
];

test.each(all)('%s: every address of the host → a wildcard', (address) => {
  expect(isWildcard(address)).toBe(true);
});

test.each(one)('%s: one address of the host → no wildcard', (address) => {
  expect(isWildcard(address)).toBe(false);
});
