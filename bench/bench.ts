/** What every suite receives: the amount of work, directories, and where to report. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Teardown } from '../src/processes/teardown.js';
import type { Versions } from './harness/machine.js';
import type { Progress } from './harness/progress.js';

const PREFIX = 'kvferry-bench-';

export interface BenchOptions {
  readonly quick: boolean;
  /** Where kvferry listens. */
  readonly bindAddress: string;
  readonly versions: Versions;
  readonly progress: Progress;
  readonly say: (line: string) => void;
}

export class Bench {
  readonly quick: boolean;
  readonly bindAddress: string;
  readonly versions: Versions;
  readonly progress: Progress;
  /** A file system in memory. */
  readonly sharedMemory = '/dev/shm';
  readonly #say: (line: string) => void;
  #wrongChunks = 0;
  #seed = 0;

  constructor({ quick, bindAddress, versions, progress, say }: BenchOptions) {
    this.quick = quick;
    this.bindAddress = bindAddress;
    this.versions = versions;
    this.progress = progress;
    this.#say = say;
  }

  /** Makes a directory for logs and sockets. */
  workDirectory(teardown: Teardown): string {
    return makeDirectory(tmpdir(), teardown);
  }

  /** Makes a directory for sources and arenas. */
  sharedDirectory(teardown: Teardown): string {
    return makeDirectory(this.sharedMemory, teardown);
  }

  /** A new number at every call, so that bytes and keys of an earlier round differ from those of this one. */
  nextSeed(): number {
    this.#seed += 1;
    return this.#seed;
  }

  get wrongChunks(): number {
    return this.#wrongChunks;
  }

  /** Counts chunks with wrong bytes. The benchmark continues and fails at its end. */
  countWrong(what: string, chunks: number): void {
    if (chunks > 0) this.#say(`WRONG BYTES in ${chunks} chunks: ${what}`);
    this.#wrongChunks += chunks;
  }
}

function makeDirectory(parent: string, teardown: Teardown): string {
  const directory = mkdtempSync(join(parent, PREFIX));
  teardown.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
