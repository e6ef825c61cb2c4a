/** libfabric's EFA, by a stand-in with its rules: what kvferry asks libfabric for, and how it waits, is tested; a device is not. */
import { describe, test } from 'vitest';
import { useEfaStandIn } from '../native/efa-stand-in.js';
import { describeFabric } from './fabric-contract.js';
import { nativeHarness } from './native-harness.js';

const reason = useEfaStandIn();
if (reason === undefined) {
  describeFabric('efa, a stand-in', () => nativeHarness('efa'));
} else {
  describe('fabric: efa, a stand-in', () => test.skipIf(true)(`cannot run here: ${reason}`, () => undefined));
}
