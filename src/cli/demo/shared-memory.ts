/** Room in shared memory, and the demo's own directory there. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '../../config/quantities.js';
import type { Teardown } from '../../processes/teardown.js';
import { KvferryError } from '../../protocol/errors.js';

/** Part of the free memory that is left to other programs. */
const MARGIN = 0.05;

/** Bytes that can be used below `directory`, a tmpfs: what it has room for, and memory to back it. */
export function roomBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return Math.floor(Math.min(bavail * bsize, freemem()) * (1 - MARGIN));
}

/** Throws `arena_unavailable` with the remedy. */
export function requireRoom(directory: string, neededBytes: number): void {
  const bytes = roomBytes(directory);
  if (neededBytes <= bytes) return;
  const needed = formatBytes(Math.ceil(neededBytes / MIB) * MIB);
  throw new KvferryError(
    'arena_unavailable',
    `the demo needs ${needed} in ${directory}, there is room for ${formatBytes(Math.floor(bytes / MIB) * MIB)}: ` +
      'give it more (docker run --shm-size), or take --arena-pages or --page-bytes smaller',
  );
}

/** Makes a directory. The teardown removes it with everything in it. */
export function makeDirectory(parent: string, teardown: Teardown): string {
  const directory = mkdtempSync(join(parent, 'kvferry-demo-'));
  teardown.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const MIB = 1024 ** 2;
