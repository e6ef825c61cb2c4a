/**
 * The files of `kvferry keys` in one directory. Secrets are readable by their owner alone, and a file with a key is never replaced:
 * it is created, or read. Each file appears whole, so a run may be interrupted at any time, and two runs may meet.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { KvferryError } from '../protocol/errors.js';

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o700;
/** The end of the name of a file that has not its whole content yet. */
const UNFINISHED = '.next';

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

  /** Undefined when there is no such file. */
  read(name: string): string | undefined {
    try {
      const content = readFileSync(this.fullPath(name), 'utf8');
      if (!this.#files.has(name)) this.#files.set(name, 'kept');
      return content;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unusable(this.fullPath(name), error);
    }
  }

  /** Names of the files of a directory in it. Those that an interrupted run has left are none. */
  list(name: string): string[] {
    try {
      return readdirSync(this.fullPath(name)).filter((file) => !file.endsWith(UNFINISHED));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
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

/** A reader sees the whole content or what was there before. `place` gives the finished file its name. */
function writeWhole(path: string, content: string, mode: number, place: (from: string, to: string) => void): void {
  const next = `${path}.${randomUUID()}${UNFINISHED}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    writeFileSync(next, content, { flag: 'wx', mode, flush: true });
    // The mask of the process may have taken rights away that other users need.
    chmodSync(next, mode);
    place(next, path);
  } catch (error) {
    throw unusable(path, error);
  } finally {
    rmSync(next, { force: true });
  }
}

function unusable(path: string, cause: unknown): KvferryError {
  const { code = 'no reason' } = cause as NodeJS.ErrnoException;
  const message =
    code === 'EEXIST'
      ? `the file ${path} is there already, and a key is never replaced: remove it, or name another file`
      : `the file ${path} cannot be used (${code}): give its directory to this user, or name another one`;
  return new KvferryError('invalid_configuration', message, { field: 'directory', cause });
}
