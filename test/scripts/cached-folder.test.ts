import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CannotSetUp, cachedFolder } from '../../scripts/setup/cached-folder.mjs';

let directory: string;
let home: string;
let ingredient: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-cache-'));
  home = join(directory, 'kvferry');
  ingredient = join(directory, 'requirements.txt');
  writeFileSync(ingredient, 'one==1.0\n');
  vi.stubEnv('XDG_CACHE_HOME', directory);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function folder(make: (work: string) => void): Promise<string> {
  return cachedFolder({ prefix: 'tools', ingredients: [ingredient], maker: 'npm run test:tools', make });
}

test('the same ingredients → made once; other ingredients → a new folder', async () => {
  const made: string[] = [];
  const make = (work: string) => {
    made.push(work);
    mkdirSync(work);
  };
  const first = await folder(make);
  expect(await folder(make)).toBe(first);
  writeFileSync(ingredient, 'one==2.0\n');
  const second = await folder(make);
  expect(made).toEqual([`${first}.work`, `${second}.work`]);
  expect(readdirSync(home).map((name) => join(home, name))).toEqual([first, second].sort());
});

test('making fails → nothing is left, and the next call makes the folder', async () => {
  const failing = folder((work) => {
    mkdirSync(work);
    throw new CannotSetUp('no compiler');
  });
  await expect(failing).rejects.toThrow('no compiler');
  expect(readdirSync(home)).toEqual([]);
  const made = await folder((work) => mkdirSync(work));
  expect(readdirSync(home)).toEqual([made.slice(home.length + 1)]);
});

test('KVFERRY_CACHED_ONLY and no folder → the error names the command that makes it', async () => {
  vi.stubEnv('KVFERRY_CACHED_ONLY', '1');
  await expect(folder((work) => mkdirSync(work))).rejects.toThrow(
    /not there, and KVFERRY_CACHED_ONLY=1 allows no download: npm run test:tools makes it$/,
  );
});
