/** Checks the free space in shared memory, and creates the demo's directories. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '../../figures/units.js';
import type { Teardown } from '../../processes/teardown.js';
import { KvferryError } from '../../protocol/errors.js';

/** Part of the free memory that is left to other programs. */
const MARGIN = 0.05;

/** Usable bytes in `directory`, a tmpfs: the smaller of its free space and the free memory of the machine. */
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
    `the demo needs ${needed} in ${directory}, which has room for ${formatBytes(Math.floor(bytes / MIB) * MIB)}; ` +
      'enlarge it (docker run --shm-size), or use smaller --arena-pages or --page-bytes',
  );
}

/** Makes a directory. The teardown removes it with everything in it. */
export function makeDirectory(parent: string, teardown: Teardown): string {
  const directory = mkdtempSync(join(parent, 'kvferry-demo-'));
  teardown.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const MIB = 1024 ** 2;
