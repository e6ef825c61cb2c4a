import { expect, test } from 'vitest';
import { chainOfKeys, makeWorkload } from '../../../src/cli/demo/workload.js';
import { key } from '../../../src/protocol/fields.js';

const options = { run: 'run', seed: 7, requests: 64, engines: 2, share: 0.75 };

test('is the same for the same seed, with other requests in another run', () => {
  const again = makeWorkload({ ...options, run: 'other' });
  expect(again.map(({ keys }) => keys)).toEqual(makeWorkload(options).map(({ keys }) => keys));
  expect(again[3]?.request).toBe('other-3');
  expect(makeWorkload({ ...options, seed: 8 })).not.toEqual(makeWorkload(options));
});

test('has 8 to 32 chunks a prompt, three quarters of them from four system prompts', () => {
  const prompts = makeWorkload(options);
  const heads = new Map<string, string>();
  for (const { keys } of prompts) {
    expect(keys.length).toBeGreaterThanOrEqual(8);
    expect(keys.length).toBeLessThanOrEqual(32);
    expect(new Set(keys).size).toBe(keys.length);
    heads.set(keys[0] as string, '');
    const sharedWith = prompts.filter((prompt) => prompt.keys[Math.floor(keys.length * 0.75) - 1] === keys.at(-1));
    expect(sharedWith).toEqual([]);
  }
  expect(heads.size).toBe(4);
  const all = prompts.flatMap(({ keys }) => keys);
  const own = prompts.reduce((sum, { keys }) => sum + keys.length - Math.floor(keys.length * 0.75), 0);
  expect(new Set(all).size).toBe(own + 4 * 24);
});

test('gives neighbours on different engines the same prefix', () => {
  const [first, second] = makeWorkload(options);
  expect([first?.engine, second?.engine]).toEqual([0, 1]);
  expect(first?.keys[0]).toBe(second?.keys[0]);
});

test('shares nothing when it must not', () => {
  const all = makeWorkload({ ...options, share: 0 }).flatMap(({ keys }) => keys);
  expect(new Set(all).size).toBe(all.length);
});

test('makes keys of the usual length that the protocol takes', () => {
  for (const each of chainOfKeys('text', 3)) {
    expect(key.safeParse(each).success).toBe(true);
    expect(each.length).toBeGreaterThanOrEqual(60);
    expect(each.length).toBeLessThanOrEqual(75);
  }
});
