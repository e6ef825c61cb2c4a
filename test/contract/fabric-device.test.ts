/**
 * Memory of CUDA devices. A stand-in takes the place of the driver, with its rules: what kvferry asks for, and when it answers, is
 * tested; a device is not (`npm run test:gpu` runs the same cases on one). The addon loads the driver on its first use, and each
 * test file has a process of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { compile } from './device/cuda-engine.js';
import { DeviceHarness } from './device/device-harness.js';
import { describeFabric } from './fabric-contract.js';

const directory = mkdtempSync('/dev/shm/kvferry-cuda-');
const engine = join(directory, 'engine');
const library = join(directory, 'libcuda.so');
compile('cuda-stub.cc', library, '-shared', '-fPIC');
compile('cuda-engine.cc', engine);
process.env['KVFERRY_LIBCUDA'] = library;
process.env['KVFERRY_CUDA_STUB'] = directory;
afterAll(() => rmSync(directory, { recursive: true }));

for (const segments of ['device', 'host'] as const) {
  for (const arena of ['device', 'host'] as const) {
    if (segments === 'host' && arena === 'host') continue;
    const create = () => new DeviceHarness({ engine, segments, arena });
    describeFabric(`same-host, from ${segments} to ${arena}, a stand-in`, create, { onDevice: true });
  }
}
