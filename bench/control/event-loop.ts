/** Measures for how long the largest possible batch blocks the event loops of both agents. */
import { spreadOf } from '../../src/figures/statistics.js';
import { KEYS_PER_BATCH_MAX } from '../../src/protocol/limits.js';
import { CHUNK_BYTES } from '../harness/chunk.js';
import type { BenchAgent, Cluster } from '../harness/cluster.js';
import { freshKeys } from '../harness/keys.js';
import type { Requests } from '../harness/requests.js';
import type { Row } from '../suite-result.js';

const ROUNDS = 10;
const WARM_UP_ROUNDS = 5;

export async function measureEventLoop(cluster: Cluster, requests: Requests): Promise<Row[]> {
  const [prefill] = cluster.prefill as [BenchAgent];
  const { decode } = cluster;
  const blocked = { prefill: [] as number[], decode: [] as number[], readyMs: [] as number[] };
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    const chunks = requests.chunks(freshKeys(KEYS_PER_BATCH_MAX), CHUNK_BYTES);
    await Promise.all([prefill, decode].map((agent) => agent.probe({ collect: true, watchLoop: true })));
    // The first answer includes the garbage collection.
    await Promise.all([prefill, decode].map((agent) => agent.probe()));
    const startMs = performance.now();
    const event = await requests.move(prefill.name, chunks);
    const readyMs = performance.now() - startMs;
    const [atPrefill, atDecode] = await Promise.all([prefill.probe(), decode.probe()]);
    await requests.release(event);
    if (round < WARM_UP_ROUNDS) continue;
    blocked.prefill.push(atPrefill.loopMaxMs);
    blocked.decode.push(atDecode.loopMaxMs);
    blocked.readyMs.push(readyMs);
  }
  return [
    {
      table: 'event loop blocked by the largest batch',
      parameters: { keys: KEYS_PER_BATCH_MAX },
      figures: {
        prefillBlockedMs: spreadOf(blocked.prefill),
        decodeBlockedMs: spreadOf(blocked.decode),
        readyMs: spreadOf(blocked.readyMs),
      },
    },
  ];
}
