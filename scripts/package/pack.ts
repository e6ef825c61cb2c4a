/** The package as `npm pack` makes it. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runIn } from './npm.js';
import type { PackedFile } from './unwanted-files.js';

export interface Packed {
  readonly tarball: string;
  readonly bytes: number;
  readonly sha256: string;
}

export async function pack(root: string, directory: string): Promise<Packed> {
  mkdirSync(directory);
  await runIn(root, 'npm', ['pack', '--pack-destination', directory]);
  const [filename = ''] = readdirSync(directory);
  const tarball = join(directory, filename);
  const content = readFileSync(tarball);
  return { tarball, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

/** Unpacks it into a folder that does not exist yet. */
export async function unpack({ tarball }: Packed, directory: string): Promise<PackedFile[]> {
  mkdirSync(directory);
  await runIn(directory, 'tar', ['-xzf', tarball, '--strip-components=1']);
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ name: relative(directory, file), content: readFileSync(file) }));
}
