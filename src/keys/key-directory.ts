/**
 * The files of `kvferry keys` in one directory. Secrets are readable by their owner alone, and a file with a key is never replaced:
 * it is created, or read. Each file appears whole, so a run may be interrupted at any time, and two runs may meet. What a killed
 * run has left unfinished, the next one removes: it may contain a key.
 */
import { linkSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { KvferryError } from '../protocol/errors.js';
import { isMissing, removeUnfinished, unusable, writeWhole } from './whole-file.js';

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
/** Where the files of a key directory lie. */
const FOLDERS = ['', 'private', 'private/revoked', 'server', 'signing', 'users'];
const NAMES = /\.(?:pem|nk|conf|creds|txt)$/;

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
      return readdirSync(this.fullPath(name)).filter((file) => NAMES.test(file));
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
