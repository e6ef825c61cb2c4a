/** A stand-in for the CUDA driver, compiled for this test file, and what changes its ways. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './cuda-engine.js';

const settings = [
  'delay-ms',
  'copy-error',
  'open-error',
  'close-error',
  'stream-error',
  'launch-error',
  'query-errors',
] as const;

export class StandIn {
  readonly directory = mkdtempSync('/dev/shm/kvferry-cuda-');
  /** The compiled `cuda-engine.cc`. */
  readonly engine = join(this.directory, 'engine');

  /** The addon of this process loads the stand-in on its first use of a device. */
  constructor() {
    const library = join(this.directory, 'libcuda.so');
    compile('cuda-stub.cc', library, '-shared', '-fPIC');
    compile('cuda-engine.cc', this.engine);
    process.env['KVFERRY_LIBCUDA'] = library;
    process.env['KVFERRY_CUDA_STUB'] = this.directory;
  }

  /** See `cuda-stub.cc`. 0: as usual. */
  set(name: (typeof settings)[number], value: number): void {
    writeFileSync(join(this.directory, name), String(value));
  }

  /** As usual again. A device that is lost stays lost. */
  reset(): void {
    for (const name of settings) this.set(name, 0);
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }
}
