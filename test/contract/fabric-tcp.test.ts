/** What the options of the provider tcp change, apart from the bytes that arrive: nothing. */
import { describeFabric } from './fabric-contract.js';
import { nativeHarness } from './native-harness.js';

describeFabric('tcp, 4 streams', () => nativeHarness('tcp', { tcpStreams: 4 }));
describeFabric('tcp, encrypted', () => nativeHarness('tcp', { tcpEncryption: 'required' }));
describeFabric('tcp, encrypted, 4 streams', () => nativeHarness('tcp', { tcpEncryption: 'required', tcpStreams: 4 }));
