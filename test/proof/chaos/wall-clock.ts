/** The wall clock of one process, faked by Debian's libfaketime. Its monotonic clock stays the real one. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';

const LIBRARIES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'].map(
  (directory) => `${directory}/faketime/libfaketime.so.1`,
);
const library = LIBRARIES.find((path) => existsSync(path));

/** The reason why clocks cannot be stepped on this machine, or undefined if they can. */
export const wallClockMissing = library === undefined ? 'faketime is not installed' : undefined;

export class WallClock {
  readonly #path: string;

  /** `path`: a file of its own, which holds the present offset. */
  constructor(path: string) {
    this.#path = path;
    this.step(0);
  }

  /** Variables for the process that reads this clock. */
  get environment(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      // A process that is killed would leave its shared memory behind.
      FAKETIME_DISABLE_SHM: '1',
    };
  }

  /** From now on the process differs from the real time by that many seconds. */
  step(seconds: number): void {
    // A reader must never see a half-written file.
    const next = `${this.#path}.next`;
    writeFileSync(next, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(next, this.#path);
  }
}
