import { describe, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { describeFabric } from './fabric-contract.js';
import { nativeHarness, whyNot } from './native-harness.js';

const tested: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp', 'net'];

for (const provider of tested) {
  const reason = whyNot(provider);
  if (reason === undefined) {
    describeFabric(provider, () => nativeHarness(provider));
  } else {
    describe(`fabric: ${provider}`, () => test.skipIf(true)(`cannot run here: ${reason}`, () => undefined));
  }
}
