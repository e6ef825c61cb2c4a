/**
 * Memory of CUDA devices. A stand-in takes the place of the driver, with its rules: what kvferry asks for, and when it answers, is
 * tested; a device is not (`npm run test:gpu` runs the same cases on one). The addon loads the driver on its first use, and each
 * test file has a process of its own.
 */
import { afterAll } from 'vitest';
import { DeviceHarness } from './device/device-harness.js';
import { StandIn } from './device/stand-in.js';
import { describeFabric } from './fabric-contract.js';

const standIn = new StandIn();
const { engine } = standIn;
afterAll(() => standIn.close());

for (const { segments, arena } of DeviceHarness.shapes) {
  const create = () => new DeviceHarness({ engine, segments, arena });
  describeFabric(`same-host, from ${segments} to ${arena}, a stand-in`, create, { onDevice: true });
}
