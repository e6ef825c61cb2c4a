/**
 * The files of `kvferry keys` in one directory. Secrets are readable by their owner alone, and a file with a key is never replaced:
 * it is created, or read. Each file appears whole, so a run may be interrupted at any time, and two runs may meet. What a killed
 * run has left unfinished, the next one removes: it may contain a key.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { KvferryError } from '../protocol/errors.js';

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o700;
/** Where the files of a key directory lie. */
const FOLDERS = ['', 'private', 'private/revoked', 'server', 'signing', 'users'];
const NAMES = /\.(?:pem|nk|conf|creds|txt)$/;
/** A file that is being written has the name of the finished one, and a random part. */
const UNFINISHED = /^(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.next$/;
/** Each run removes unfinished files once, at its start. So another run writes a file again as often as runs start meanwhile. */
const WRITES_MAX = 16;

/** What became of a file in this run. */
export type FileState = 'made' | 'kept' | 'renewed';

export interface KeyFile {
  readonly path: string;
  readonly state: FileState;
}

export class KeyDirectory {
  readonly path: string;
  readonly #files = new Map<string, FileState>();

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Every file that this run has made or found, by path. */
  get files(): KeyFile[] {
    return [...this.#files].map(([path, state]) => ({ path, state })).sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  fullPath(name: string): string {
    return join(this.path, name);
  }

  /** Removes what killed runs have left. A run that is under way writes again what it misses. */
  removeUnfinished(): void {
    for (const folder of FOLDERS) removeUnfinished(this.fullPath(folder), (name) => NAMES.test(name));
  }

  /** Undefined when there is no such file. */
  read(name: string): string | undefined {
    try {
      const content = readFileSync(this.fullPath(name), 'utf8');
      if (!this.#files.has(name)) this.#files.set(name, 'kept');
      return content;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw unusable(this.fullPath(name), error);
    }
  }

  /** Names of the files of a directory in it. Those that an interrupted run has left are none. */
  list(name: string): string[] {
    try {
      return readdirSync(this.fullPath(name)).filter((file) => !UNFINISHED.test(file));
    } catch (error) {
      if (isMissing(error)) return [];
      throw unusable(this.fullPath(name), error);
    }
  }

  /** The content of the file, or what `make` returns when there is none: then the file is created with it. */
  async readOrMake(name: string, make: () => string | Promise<string>): Promise<string> {
    const found = this.read(name);
    if (found !== undefined) return found;
    const content = await make();
    try {
      writeNew(this.fullPath(name), content);
    } catch (error) {
      // Another run was faster: its key is the one.
      const other = this.read(name);
      if (other === undefined) throw error;
      return other;
    }
    this.#files.set(name, 'made');
    return content;
  }

  /** Throws `invalid_configuration` when there is no file of this name, but one that was made with its key. */
  requireKeyOf(name: string, made: readonly string[]): void {
    if (this.read(name) !== undefined) return;
    const orphan = made.find((other) => this.read(other) !== undefined);
    if (orphan === undefined) return;
    const message = `the file ${this.fullPath(name)} is missing, and ${orphan} was made with its key: put it back, or begin with an empty directory`;
    throw new KvferryError('invalid_configuration', message, { field: 'directory' });
  }

  /** Writes what contains no key. Replaces a file with other content. */
  write(name: string, content: string): void {
    const found = this.read(name);
    if (found === content) return;
    writeWhole(this.fullPath(name), content, PUBLIC_MODE, renameSync);
    this.#files.set(name, found === undefined ? 'made' : 'renewed');
  }
}

/** Creates a file with a key. Throws `invalid_configuration` when the path is taken. */
export function writeNew(path: string, content: string): void {
  writeWhole(path, content, SECRET_MODE, linkSync);
}

/** Removes what killed runs have left of the file of this path. */
export function removeUnfinishedOf(path: string): void {
  removeUnfinished(dirname(path), (name) => name === basename(path));
}

function removeUnfinished(folder: string, isOurs: (name: string) => boolean): void {
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

/** A reader sees the whole content or what was there before. `place` gives the finished file its name. */
function writeWhole(path: string, content: string, mode: number, place: (from: string, to: string) => void): void {
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

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function unusable(path: string, cause: unknown): KvferryError {
  const { code = 'no reason' } = cause as NodeJS.ErrnoException;
  const message =
    code === 'EEXIST'
      ? `the file ${path} is there already, and a key is never replaced: remove it, or name another file`
      : `the file ${path} cannot be used (${code}): give its directory to this user, or name another one`;
  return new KvferryError('invalid_configuration', message, { field: 'directory', cause });
}
