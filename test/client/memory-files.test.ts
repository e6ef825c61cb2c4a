/** The files that engines share with agents. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openArena } from '../../src/client/arena-file.js';
import { SharedFile } from '../../src/client/shared-file.js';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-files-'));
  path = join(directory, 'memory');
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a shared file', () => {
  test('has its size from the beginning, and keeps what is written', async () => {
    const memory = await SharedFile.create(path, 8);
    await memory.write(4, Uint8Array.of(1, 2));
    await memory.close();
    expect([memory.path, memory.bytes, [...readFileSync(path)]]).toEqual([path, 8, [0, 0, 0, 0, 1, 2, 0, 0]]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('can be opened by other users when it is to be', async () => {
    const memory = await SharedFile.create(path, 8, 0o644);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    await memory.close();
  });

  test('never takes the place of another file', async () => {
    writeFileSync(path, 'mine');
    await expect(SharedFile.create(path, 8)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test('is not left behind when it cannot have its size', async () => {
    await expect(SharedFile.create(path, Number.MAX_SAFE_INTEGER)).rejects.toThrow();
    expect(existsSync(path)).toBe(false);
  });

  test('that is there already is opened as it is', async () => {
    writeFileSync(path, Uint8Array.of(1, 2, 3));
    const memory = await SharedFile.open(path);
    await memory.write(1, Uint8Array.of(9));
    expect([memory.bytes, [...readFileSync(path)]]).toEqual([3, [1, 9, 3]]);
    await memory.close();
  });

  test('can lose its name while it is used', async () => {
    const memory = await SharedFile.create(path, 8);
    await memory.unlink();
    await memory.write(0, Uint8Array.of(1));
    expect(existsSync(path)).toBe(false);
    await memory.close();
    await memory.unlink();
  });
});

describe('an arena file', () => {
  test('is read at any offset', async () => {
    writeFileSync(path, Uint8Array.of(1, 2, 3, 4));
    const arena = await openArena(path);
    const into = new Uint8Array(2);
    await arena.read(into, 1);
    expect([...into]).toEqual([2, 3]);
    await arena.close();
  });

  test('that is too short, or is not there, is that of a lost agent', async () => {
    writeFileSync(path, Uint8Array.of(1, 2, 3, 4));
    const arena = await openArena(path);
    await expect(arena.read(new Uint8Array(2), 3)).rejects.toMatchObject({
      code: 'receiver_lost',
      message: `arena ${path} ends after 4 bytes`,
    });
    await arena.close();
    await expect(openArena(join(directory, 'none'))).rejects.toMatchObject({ code: 'receiver_lost' });
  });
});
