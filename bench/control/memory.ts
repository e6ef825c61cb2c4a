/** Measures the memory of an agent for each key that it keeps, and for each request in progress. */

import { rounded } from '../../src/figures/statistics.js';
import { CHUNK_BYTES } from '../harness/chunk.js';
import type { BenchAgent, Cluster } from '../harness/cluster.js';
import { freshKeys } from '../harness/keys.js';
import { repeatCount } from '../harness/repeat-count.js';
import type { Requests } from '../harness/requests.js';
import type { Row } from '../suite-result.js';

const KEYS_PER_REQUEST = 512;
const KEYS = { quick: 32_768, full: 131_072 };
const LIVE_REQUESTS = { quick: 1000, full: 10_000 };
const LIVE_KEYS = 8;
/** Requests under way at once while memory is filled. */
const LANES = 16;

export async function measureMemory(quick: boolean, cluster: Cluster, requests: Requests): Promise<Row[]> {
  const size = quick ? 'quick' : 'full';
  return [
    await perTrackedKey(KEYS[size], cluster, requests),
    await perLiveRequest(LIVE_REQUESTS[size], cluster, requests),
  ];
}

/** Makes ready requests and releases them only after the measurement. */
async function perTrackedKey(keys: number, cluster: Cluster, requests: Requests): Promise<Row> {
  const count = keys / KEYS_PER_REQUEST;
  const sender = cluster.prefill[0]?.name ?? '';
  const before = await heapBytes(cluster.decode);
  const events = await repeatCount({ atOnce: LANES, count }, () =>
    requests.move(sender, requests.chunks(freshKeys(KEYS_PER_REQUEST), CHUNK_BYTES)),
  );
  const after = await heapBytes(cluster.decode);
  for (const event of events) await requests.release(event);
  return {
    table: 'memory per tracked key',
    parameters: { keys },
    figures: { decodeBytesPerKey: rounded((after - before) / keys) },
  };
}

/** Puts the first of two batches of each request. The second follows only after the measurement. */
async function perLiveRequest(count: number, cluster: Cluster, requests: Requests): Promise<Row> {
  const [prefill] = cluster.prefill as [BenchAgent];
  const before = { decode: await heapBytes(cluster.decode), prefill: await heapBytes(prefill) };
  const live = await repeatCount({ atOnce: LANES, count }, async () => {
    const outgoing = requests.begin(prefill.name, LIVE_KEYS);
    await outgoing.put(requests.chunks(freshKeys(LIVE_KEYS), CHUNK_BYTES), { last: false });
    return outgoing;
  });
  const after = { decode: await heapBytes(cluster.decode), prefill: await heapBytes(prefill) };
  for (const outgoing of live) {
    await outgoing.put([]);
    await requests.release(await requests.end(outgoing));
  }
  return {
    table: 'memory per live request',
    parameters: { requests: count, keys: LIVE_KEYS },
    figures: {
      decodeBytesPerRequest: rounded((after.decode - before.decode) / count),
      prefillBytesPerRequest: rounded((after.prefill - before.prefill) / count),
    },
  };
}

async function heapBytes(agent: BenchAgent): Promise<number> {
  return (await agent.probe({ collect: true })).heapBytes;
}
