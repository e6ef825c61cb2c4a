/** Requests of one batch without bytes worth the name, each put, ready and released, and what they took. */
import { CHUNK_BYTES } from './chunk.js';
import type { Cluster } from './cluster.js';
import { freshKeys } from './keys.js';
import { repeat } from './repeat.js';
import type { Requests } from './requests.js';

export interface Load {
  readonly keys: number;
  /** Of the keys, those that are in the arena already. */
  readonly sharedKeys: readonly string[];
  readonly atOnce: number;
  readonly durationMs: number;
}

export interface Taken {
  /** From put to ready, of each. */
  readonly timesMs: readonly number[];
  readonly seconds: number;
  /** Of all agents, and of the decode agent alone. */
  readonly cpuUs: number;
  readonly decodeCpuUs: number;
}

/** By the senders in turns. */
export async function runLoad(
  { keys: count, sharedKeys, atOnce, durationMs }: Load,
  cluster: Cluster,
  requests: Requests,
): Promise<Taken> {
  const agents = [cluster.decode, ...cluster.prefill];
  const before = await Promise.all(agents.map((agent) => agent.probe()));
  let turn = 0;
  const ran = await repeat({ atOnce, durationMs }, async () => {
    turn += 1;
    const keys = [...sharedKeys, ...freshKeys(count - sharedKeys.length)];
    const chunks = requests.chunks(keys, CHUNK_BYTES);
    const sender = cluster.prefill[turn % cluster.prefill.length]?.name ?? '';
    const startMs = performance.now();
    const event = await requests.move(sender, chunks);
    const elapsedMs = performance.now() - startMs;
    await requests.release(event);
    return elapsedMs;
  });
  const after = await Promise.all(agents.map((agent) => agent.probe()));
  const used = after.map(({ cpuUs }, index) => cpuUs - (before[index]?.cpuUs ?? 0));
  return { ...ran, cpuUs: used.reduce((sum, cpuUs) => sum + cpuUs, 0), decodeCpuUs: used[0] ?? 0 };
}
