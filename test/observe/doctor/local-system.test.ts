import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { localSystem } from '../../../src/observe/doctor/local-system.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-system-'));
  writeFileSync(join(directory, 'b'), ' text \n');
  mkdirSync(join(directory, 'a'));
  symlinkSync('/somewhere/mlx5_core', join(directory, 'driver'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test('reads files, directories and links', () => {
  expect(localSystem.read(join(directory, 'b'))).toBe('text');
  expect(localSystem.list(directory)).toEqual(['a', 'b', 'driver']);
  expect(localSystem.linked(join(directory, 'driver'))).toBe('mlx5_core');
  expect(localSystem.mayUse(directory)).toBe(true);
  expect(localSystem.exists(join(directory, 'a'))).toBe(true);
});

test('does not throw for what cannot be read', () => {
  const missing = join(directory, 'missing');
  expect([localSystem.read(missing), localSystem.read(directory), localSystem.linked(missing)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(localSystem.list(missing)).toEqual([]);
  expect([localSystem.exists(missing), localSystem.mayUse(missing)]).toEqual([false, false]);
  expect(localSystem.fileSystem(missing)).toBe(undefined);
});

test('knows room, processors and addresses', async () => {
  const room = localSystem.fileSystem(directory);
  expect(room?.totalBytes).toBeGreaterThan(0);
  expect(room?.freeBytes).toBeLessThanOrEqual(room?.totalBytes ?? 0);
  expect(localSystem.processors).toBeGreaterThanOrEqual(1);
  expect(localSystem.processorsUsable).toBeGreaterThanOrEqual(1);
  expect(localSystem.addresses.find(({ address }) => address === '127.0.0.1')).toEqual({
    interface: 'lo',
    address: '127.0.0.1',
    isInternal: true,
  });
  expect(await localSystem.resolve('127.0.0.1')).toEqual(['127.0.0.1']);
  expect(await localSystem.resolve('no such host')).toEqual([]);
});

test('a port is taken → the code of the error; a free one → none', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  expect(await localSystem.whyNotListen('127.0.0.1', port)).toBe('EADDRINUSE');
  await new Promise((resolve) => server.close(resolve));
  expect(await localSystem.whyNotListen('127.0.0.1', port)).toBeUndefined();
  expect(await localSystem.whyNotListen('203.0.113.7', 0)).toBe('EADDRNOTAVAIL');
});

test('knows a memory file system', () => {
  const sharedMemory = localSystem.fileSystem('/dev/shm');
  if (sharedMemory !== undefined) expect(sharedMemory.isTmpfs).toBe(true);
  expect(localSystem.fileSystem('/proc')?.isTmpfs).toBe(false);
});
