/**
 * The quiet phase: one prefill and one decode agent, and nothing else runs. It measures how fast bytes move, compared with
 * memcpy and one TCP stream right before and after, and how long a batch of a few bytes takes.
 */
import type { KvferryClient } from '../../client/kvferry-client.js';
import { median, type Percentiles, percentilesOf, rounded } from '../../figures/statistics.js';
import { measureMemcpy, measureTcpStream } from '../../native/baseline.js';
import { patientTimeout } from '../../processes/patience.js';
import type { Teardown } from '../../processes/teardown.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Cluster } from './cluster.js';
import { closeEngines, compute, consume, openEngines } from './engines.js';
import { heldPages, leftPages, providerOf } from './load.js';
import type { Violations } from './violations.js';
import { chainOfKeys } from './workload.js';

/** Number of times that the phase moves all bytes. The result is the median. */
const ROUNDS = 3;
/** Chunks in one step of chunked prefill of a large model, which is 8,192 tokens. */
const CHUNKS_PER_BATCH = 32;
/** The part of the tiny batches that is not measured. They warm up the agents, whose code is not yet compiled at first. */
const CONTROL_WARM_UP_PART = 0.8;
const CONTROL_CHUNK_BYTES = 64;
/** Limit of the bytes in one measurement of memcpy or TCP. */
const BASELINE_BYTES_MAX = 512 * 1024 ** 2;
const REQUEST_TIMEOUT_MS = 60_000;
const BYTES_PER_GB = 1e9;
const MS_PER_S = 1000;

export interface QuietOptions {
  readonly run: string;
  readonly seed: number;
  readonly chunks: number;
  /** Batches with one tiny chunk, sent one after another. Their latency is that of the control path. */
  readonly controlBatches: number;
  readonly chunkBytes: number;
  readonly directory: string;
  readonly onStep: () => void;
}

export interface QuietResult {
  readonly bytes: number;
  readonly gbps: number;
  readonly memcpyGbps: number;
  readonly tcpGbps: number;
  readonly controlMs: Percentiles;
  readonly mismatches: readonly string[];
  readonly leakedPages: number;
  readonly provider: string;
}

/** Number of calls of `onStep`. */
export const QUIET_STEPS = 2 * ROUNDS + 2;

/** Shared memory for the phase, in bytes: source segment, arena, and the two files of the memcpy measurement. */
export function quietRoomBytes(chunks: number, chunkBytes: number): number {
  const bytes = chunks * chunkBytes;
  return 2 * bytes + 2 * Math.min(bytes, BASELINE_BYTES_MAX);
}

/** Number of chunks that fit into `roomBytes`, up to `wantedBytes`. */
export function quietChunks(wantedBytes: number, chunkBytes: number, roomBytes: number): number {
  const wanted = Math.ceil(wantedBytes / chunkBytes);
  if (quietRoomBytes(wanted, chunkBytes) <= roomBytes) return wanted;
  const fitting = Math.max(roomBytes / 4, (roomBytes - 2 * BASELINE_BYTES_MAX) / 2);
  return Math.floor(fitting / chunkBytes);
}

export async function runQuiet(
  options: QuietOptions,
  cluster: Cluster,
  client: KvferryClient,
  violations: Violations,
  teardown: Teardown,
): Promise<QuietResult> {
  const { run, seed, chunks, controlBatches, chunkBytes, directory, onStep } = options;
  const pagesHeldBefore = await heldPages(cluster, client);
  const memory = { run, directory, chunkBytes, slots: chunks, patienceMs: 0 };
  const engines = await openEngines(memory, cluster, client, violations, teardown);
  const { prefill, decode } = engines;
  const [engine] = prefill;
  if (engine === undefined) throw new KvferryError('internal', 'the quiet phase has no prefill agent');
  const mismatches: string[] = [];

  /** Moves one request, which must become ready. Resolves to the milliseconds from its first put to its end. */
  const move = async (request: string, keys: readonly string[], bytes: number): Promise<number> => {
    const filled = await compute(engine, keys, bytes);
    const putAtMs = performance.now();
    const plan = { request, receiver: decode.agent, timeoutMs: patientTimeout(REQUEST_TIMEOUT_MS) };
    const outgoing = await engine.put(plan, filled, CHUNKS_PER_BATCH);
    const { event, atMs } = await outgoing.ready({ timeoutMs: patientTimeout(REQUEST_TIMEOUT_MS) });
    mismatches.push(...(await consume(decode, event, keys, bytes)));
    return atMs - putAtMs;
  };

  const gbps: number[] = [];
  const memcpy: number[] = [];
  const tcp: number[] = [];
  const bytes = chunks * chunkBytes;
  const measureBaselines = async () => {
    const baselineBytes = Math.min(bytes, BASELINE_BYTES_MAX);
    memcpy.push(await measureMemcpy({ bytes: baselineBytes, pageBytes: chunkBytes, directory }));
    tcp.push(await measureTcpStream({ bytes: baselineBytes }));
    onStep();
  };
  await measureBaselines();
  for (let round = 0; round < ROUNDS; round += 1) {
    const elapsedMs = await move(`${run}-quiet-${round}`, chainOfKeys(`${seed} quiet ${round}`, chunks), chunkBytes);
    gbps.push(bytes / BYTES_PER_GB / (elapsedMs / MS_PER_S));
    onStep();
    await measureBaselines();
  }
  const controlMs: number[] = [];
  const controlKeys = chainOfKeys(`${seed} control`, controlBatches);
  for (const [index, key] of controlKeys.entries()) {
    const elapsedMs = await move(`${run}-control-${index}`, [key], CONTROL_CHUNK_BYTES);
    if (index >= controlBatches * CONTROL_WARM_UP_PART) controlMs.push(elapsedMs);
  }
  onStep();
  const leakedPages = await leftPages(cluster, client, pagesHeldBefore);
  const provider = await providerOf(cluster, client);
  await closeEngines(engines);
  return {
    bytes,
    gbps: rounded(median(gbps)),
    memcpyGbps: rounded(median(memcpy)),
    tcpGbps: rounded(median(tcp)),
    controlMs: percentilesOf(controlMs),
    mismatches,
    leakedPages,
    provider,
  };
}
