/** Makes the recordings in test/observe/replay/recordings again, from simulated agents: `npm run recordings`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { RecordedCluster, textOf } from './support.js';

const DIRECTORY = 'test/observe/replay/recordings';
const keys = ['k0', 'k1', 'k2', 'k3'];
/** Until nothing is quarantined and nobody asks about anything any more. */
const SETTLE_MS = 8000;

/** Two prefill agents and a decode agent. */
async function clusterOf(): Promise<RecordedCluster> {
  const cluster = new RecordedCluster();
  await cluster.agent('decode-0', 'decode');
  for (const agent of ['prefill-0', 'prefill-1']) {
    await cluster.agent(agent, 'prefill');
    await cluster.segment(agent, 'engine', keys);
  }
  return cluster;
}

/** The writer of two shared chunks is killed in the middle of its write; the request that had joined them writes them. */
async function handOver(): Promise<RecordedCluster> {
  const cluster = await clusterOf();
  const writes = cluster.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  const a = await cluster.put('prefill-0', 'a', ['k0', 'k1']);
  await cluster.clock.until(() => writes.held > 0);
  const b = await cluster.put('prefill-1', 'b', ['k0', 'k1', 'k2']);
  await cluster.clock.advance(100);
  cluster.kill(a);
  await cluster.ended('b');
  writes.release();
  await cluster.call('decode-0', 'acquire', { request: 'b', epoch: b.epoch });
  await cluster.call('decode-0', 'release', { request: 'b', epoch: b.epoch });
  await cluster.clock.advance(SETTLE_MS);
  return cluster;
}

/** A request is cancelled in the middle of its write, whose bytes land a second later. */
async function cancelInWrite(): Promise<RecordedCluster> {
  const cluster = await clusterOf();
  const writes = cluster.fabrics.holdWrites();
  await cluster.put('prefill-0', 'a', keys);
  await cluster.clock.until(() => writes.held > 0);
  await cluster.call('prefill-0', 'cancel', { request: 'a' });
  await cluster.clock.advance(1000);
  writes.release();
  await cluster.ended('a');
  await cluster.clock.advance(SETTLE_MS);
  return cluster;
}

const made = [
  ['writer-killed', handOver, ['decode-0', 'prefill-1']],
  ['cancel-in-write', cancelInWrite, ['decode-0', 'prefill-0']],
] as const;

mkdirSync(DIRECTORY, { recursive: true });
for (const [name, make, agents] of made) {
  const { lines } = await make();
  for (const agent of agents) writeFileSync(`${DIRECTORY}/${name}.${agent}.jsonl`, textOf(lines.get(agent) ?? []));
}
