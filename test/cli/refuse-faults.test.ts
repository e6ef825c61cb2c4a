import { pino } from 'pino';
import { expect, test } from 'vitest';
import { refuseFaults } from '../../src/cli/refuse-faults.js';
import { KvferryClient } from '../../src/client/kvferry-client.js';
import { MemoryControlNetwork } from '../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { subjects } from '../../src/protocol/subjects.js';

test('a fault order is refused by an agent that does not allow faults', async () => {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  refuseFaults({ control: network.connect('agent'), clock, logger: pino({ level: 'silent' }) }, 'a');
  const client = new KvferryClient(network.connect('people'));
  const refused = expect(client.fault('a', { fault: 'kill' })).rejects.toMatchObject({
    code: 'faults_not_allowed',
    message: 'agent a does not allow faults: start it with --allow-faults',
  });
  await clock.advance(1000);
  await refused;
});

test('P28: a flood of fault orders → some of each second are logged', async () => {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  refuseFaults({ control: network.connect('agent'), clock, logger }, 'a');
  const stranger = network.connect('stranger');
  for (let count = 0; count < 1000; count += 1) stranger.publish(subjects.fault('a'), '{}');
  await clock.advance(100);
  expect(lines).toHaveLength(50);
});
