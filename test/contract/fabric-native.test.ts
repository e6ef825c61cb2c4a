import { describe, test } from 'vitest';
import { describeFabric } from './fabric-contract.js';
import { nativeHarness, testedProviders, whyNot } from './native-harness.js';

for (const provider of testedProviders(['same-host', 'tcp', 'libfabric-tcp', 'net'])) {
  const reason = whyNot(provider);
  if (reason === undefined) {
    describeFabric(provider, () => nativeHarness(provider));
  } else {
    describe(`fabric: ${provider}`, () => test.skipIf(true)(`cannot run here: ${reason}`, () => undefined));
  }
}
