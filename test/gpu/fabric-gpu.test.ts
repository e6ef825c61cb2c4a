/** The fabric contract on memory of a CUDA device, with its own driver. An engine of its own process has the memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { compile } from '../contract/device/cuda-engine.js';
import { DeviceHarness } from '../contract/device/device-harness.js';
import { describeFabric } from '../contract/fabric-contract.js';

const directory = mkdtempSync('/dev/shm/kvferry-gpu-');
const engine = join(directory, 'engine');
compile('cuda-engine.cc', engine);
afterAll(() => rmSync(directory, { recursive: true }));

for (const { segments, arena } of DeviceHarness.shapes) {
  const create = () => new DeviceHarness({ engine, segments, arena });
  describeFabric(`same-host, from ${segments} to ${arena}`, create, { onDevice: true });
}
