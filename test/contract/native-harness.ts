/** Real files under /dev/shm and the native addon, with one provider. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type NativeFabricOptions, type NativeProvider, nativeProviders } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { nativeStatus } from '../../src/native/native-status.js';
import type { FabricHarness } from './fabric/fabric-harness.js';
import type { Region } from './pattern.js';

/** Where libfabric and tcp listen: on an RDMA device, if the environment names its address. */
export const bindAddress = process.env['KVFERRY_BIND_ADDRESS'] || '127.0.0.1';

/** The providers that a suite tests: `usual`, or only the one that the environment names, such as `verbs` on a device. */
export function testedProviders(usual: readonly NativeProvider[]): readonly NativeProvider[] {
  const named = nativeProviders.find((provider) => provider === process.env['KVFERRY_TEST_PROVIDER']);
  return named === undefined ? usual : [named];
}

/** Why the provider cannot be tested here, or undefined. */
export function whyNot(provider: NativeProvider): string | undefined {
  return nativeStatus(bindAddress).unavailable.find((unavailable) => unavailable.provider === provider)?.reason;
}

export function nativeHarness(provider: NativeProvider, options: Partial<NativeFabricOptions> = {}): FabricHarness {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  let paths = 0;
  return {
    provider,
    open: () => openNativeFabric({ bindAddress, ...options, providers: [provider], socketDirectory: directory }),
    newPath: (name) => join(directory, `${name}-${++paths}`),
    writeFile: (path, bytes) => writeFileSync(path, bytes),
    scribble: (path, offset, bytes) => withFile(path, 'r+', (file) => writeSync(file, bytes, 0, bytes.length, offset)),
    readFile: (path, region) => (region === undefined ? readFileSync(path) : readRegion(path, region)),
    truncate: (path, bytes) => truncateSync(path, bytes),
    exists: (path) => existsSync(path),
    makeDirectory: (path) => mkdirSync(path),
    dispose: () => rmSync(directory, { recursive: true }),
  };
}

function readRegion(path: string, { offset, length }: Region): Uint8Array {
  const bytes = new Uint8Array(length);
  withFile(path, 'r', (file) => readSync(file, bytes, 0, length, offset));
  return bytes;
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    use(file);
  } finally {
    closeSync(file);
  }
}
