import { pino } from 'pino';
import { expect, test } from 'vitest';
import { refuseFaults } from '../../src/cli/refuse-faults.js';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';

test('a fault order is refused by an agent that does not allow faults', async () => {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  refuseFaults(network.connect('agent'), 'a', pino({ level: 'silent' }));
  const client = new KvferryClient(network.connect('people'));
  const refused = expect(client.fault('a', { fault: 'kill' })).rejects.toMatchObject({
    code: 'faults_not_allowed',
    message: 'agent a does not allow faults: start it with --allow-faults',
  });
  await clock.advance(1000);
  await refused;
});
