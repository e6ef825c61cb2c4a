/** Files that appear whole: a reader sees the whole content or what was there before, whenever the writer is interrupted. */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KvferryError } from '../protocol/errors.js';

const DIRECTORY_MODE = 0o700;
/** A file that is being written has the name of the finished one, and a random part. */
const UNFINISHED = /^(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.next$/;
/** Each run removes unfinished files once, at its start. So another run writes a file again as often as runs start meanwhile. */
const WRITES_MAX = 16;
/** The disk has no room, or the user has none left there. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** Removes what killed runs have left of the files of a folder whose names `isOurs` knows. */
export function removeUnfinished(folder: string, isOurs: (name: string) => boolean): void {
  let path = folder;
  try {
    for (const name of readdirSync(folder)) {
      const [, finished] = UNFINISHED.exec(name) ?? [];
      if (finished === undefined || !isOurs(finished)) continue;
      path = join(folder, name);
      rmSync(path, { force: true });
    }
  } catch (error) {
    // A folder whose names this user may not read is no reason to refuse: its files may still be of use.
    const isUnseen = path === folder && (error as NodeJS.ErrnoException).code === 'EACCES';
    if (!isMissing(error) && !isUnseen) throw unusable(path, error);
  }
}

/** `place` gives the finished file its name. Throws `invalid_configuration`. */
export function writeWhole(
  path: string,
  content: string,
  mode: number,
  place: (from: string, to: string) => void,
): void {
  for (let left = WRITES_MAX; ; left -= 1) {
    const next = `${path}.${randomUUID()}.next`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
      writeFileSync(next, content, { flag: 'wx', mode, flush: true });
      // The mask of the process may have taken rights away that other users need.
      chmodSync(next, mode);
      place(next, path);
      return;
    } catch (error) {
      // Another run took the file for one that a killed run has left.
      if (!isMissing(error) || left === 1) throw unusable(path, error);
    } finally {
      rmSync(next, { force: true });
    }
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

export function unusable(path: string, cause: unknown): KvferryError {
  const { code = 'no reason' } = cause as NodeJS.ErrnoException;
  const message =
    code === 'EEXIST'
      ? `the file ${path} is there already, and a key is never replaced: remove it, or name another file`
      : `the file ${path} cannot be used (${code}): ${FULL.has(code) ? 'make room on its disk' : 'give its directory to this user'}, or name another one`;
  return new KvferryError('invalid_configuration', message, { field: 'directory', cause });
}
