import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface LockEntry {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly engines?: { readonly node?: string };
}

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'));
const packages = Object.entries<LockEntry>(lock.packages).filter(([place, entry]) => place !== '' && !entry.link);

test('every package in the lock file has a hash that npm checks', () => {
  expect(packages.length).toBeGreaterThan(400);
  expect(packages.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([place]) => place)).toEqual([]);
});

test('the lock file names no registry', () => {
  expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([place]) => place)).toEqual([]);
});

test('every package of the agent runs on the oldest supported Node', () => {
  const needed = packages.filter(([, { dev, devOptional }]) => !dev && !devOptional);
  const tooNew = needed.filter(([, { engines }]) => /^>=? ?2[1-9](\.\d+)*$/.test(engines?.node ?? ''));
  expect(tooNew.map(([place]) => place)).toEqual([]);
});
