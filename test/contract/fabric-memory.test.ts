import { describeFabric } from './fabric-contract.js';
import { memoryHarness } from './memory-harness.js';

describeFabric('memory', memoryHarness);
