import { expect, test } from 'vitest';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import { examineCluster } from '../../../src/observe/doctor/examine-cluster.js';
import { MemoryControlNetwork } from '../../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';
import { subjects } from '../../../src/protocol/subjects.js';
import { decode, prefill } from './support.js';

const DISCOVER_MS = 500;
const STATUS_MS = 2000;
const WINDOW_MS = 1000;

test('looks at every agent twice, and goes on without one that falls silent', async () => {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  const [healthy, silent] = [prefill(), decode()];
  let looks = 0;
  for (const { description, after } of [healthy, silent]) {
    const control = network.connect(description.agent);
    control.subscribe(subjects.discover, (message) => message.respond(JSON.stringify(description)));
    control.subscribe(subjects.operation(description.agent, '_all', 'status'), ({ respond }) => {
      if (description === silent.description) return;
      looks += 1;
      respond(JSON.stringify({ ...after, counters: { bytes_written: looks } }));
    });
  }
  const pause = (milliseconds: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, milliseconds));
  const options = { windowMs: WINDOW_MS, pause, now: () => clock.now() };
  const examining = examineCluster(new KvferryClient(network.connect('doctor')), options);
  await clock.advance(DISCOVER_MS + STATUS_MS + WINDOW_MS + STATUS_MS);
  const { agents } = await examining;
  expect(
    agents.map(({ description, before, after }) => [description.agent, before?.counters, after?.counters]),
  ).toEqual([
    ['d1', undefined, undefined],
    ['p1', { bytes_written: 1 }, { bytes_written: 2 }],
  ]);
  // The second look came after the silent one had been given up, and the pause.
  expect(agents[1]?.elapsedMs).toBe(STATUS_MS + WINDOW_MS);
});

test('finds nobody, and does not wait for them', async () => {
  const clock = new SimulatedClock();
  const client = new KvferryClient(new MemoryControlNetwork(clock).connect('doctor'));
  const pause = () => Promise.reject(new Error('it waits'));
  const examining = examineCluster(client, { windowMs: WINDOW_MS, pause, now: () => clock.now() });
  await clock.advance(DISCOVER_MS);
  expect(await examining).toEqual({ agents: [] });
});
