import { KvferryError } from '../../../protocol/errors.js';

/** Files in memory, by path. */
export interface MemoryFiles {
  /** A file's bytes. Replacing an array by a shorter one shrinks the file. */
  readonly files: Map<string, Uint8Array>;
  /** Paths that exist and are not files. */
  readonly directories: Set<string>;
  /** Most bytes that all files together may take. */
  readonly roomBytes: number;
}

/** Throws `arena_unavailable` when the path exists or the bytes do not fit. */
export function createFile({ files, directories, roomBytes }: MemoryFiles, path: string, bytes: number): void {
  const used = [...files.values()].reduce((total, file) => total + file.length, 0);
  if (files.has(path) || directories.has(path)) {
    throw new KvferryError('arena_unavailable', `${path} exists already`);
  }
  if (!(used + bytes <= roomBytes)) {
    throw new KvferryError('arena_unavailable', `${path}: no room for ${bytes} bytes`);
  }
  files.set(path, new Uint8Array(bytes));
}
