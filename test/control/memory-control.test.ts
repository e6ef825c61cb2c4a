import { SystemClock } from '../../src/control/system-clock.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { describeControl } from './control-contract.js';

describeControl('memory', {
  outages: false,
  open: async () => {
    const network = new MemoryControlNetwork(new SystemClock());
    return { connect: async (name) => network.connect(name), close: async () => undefined };
  },
});
