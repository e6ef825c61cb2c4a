/**
 * libfabric's `tcp;ofi_rxm`, the last resort for `libfabric-tcp`: the layer that `verbs` needs too. libfabric reads the variable
 * when it is loaded, and each test file has a process of its own.
 */
import { describe, test } from 'vitest';
import { describeFabric } from './fabric-contract.js';
import { nativeHarness, whyNot } from './native-harness.js';

process.env['FI_PROVIDER'] = 'tcp,ofi_rxm';

const reason = whyNot('libfabric-tcp');
if (reason === undefined) {
  describeFabric('tcp;ofi_rxm', () => nativeHarness('libfabric-tcp'));
} else {
  describe('fabric: tcp;ofi_rxm', () => test.skipIf(true)(`cannot run here: ${reason}`, () => undefined));
}
