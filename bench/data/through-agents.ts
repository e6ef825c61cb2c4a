/**
 * The same bytes through whole agents: put, announced as ready, then verified in the arena and released. The time is what an
 * engine waits for, with keys, messages and decisions.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SharedFile } from '../../src/client/shared-file.js';
import type { SourceChunk } from '../../src/client/source-memory.js';
import { ratios, rounded, spreadOf } from '../../src/figures/statistics.js';
import { formatBytes } from '../../src/figures/units.js';
import { Teardown } from '../../src/processes/teardown.js';
import type { TerminalEvent } from '../../src/protocol/events.js';
import type { Bench } from '../bench.js';
import { type Cluster, startCluster } from '../harness/cluster.js';
import { MEMFD_DIRECTORY, makeEngineMemory } from '../harness/engine-memory.js';
import { interleave } from '../harness/interleave.js';
import { freshKeys } from '../harness/keys.js';
import { repeatCount } from '../harness/repeat-count.js';
import { Requests } from '../harness/requests.js';
import type { Row } from '../suite-result.js';
import type { Baseline } from './baselines.js';
import { fillChunk } from './pattern.js';

const MIB = 1024 ** 2;
/** Two steps of chunked prefill of 2,048 tokens. */
const KEYS_PER_REQUEST = 16;
const BYTES_PER_GB = 1e9;
const MS_PER_S = 1000;
const IDLE_MS = 2000;
/** Time until the garbage and the timers of the load are gone. */
const SETTLING_MS = 2000;

interface ThroughAgentsScale {
  readonly chunkBytes: readonly number[];
  readonly inFlight: readonly number[];
  /** Requests of one round, at least one for each in flight. */
  readonly roundBytes: number;
  readonly rounds: number;
}

const full: ThroughAgentsScale = {
  chunkBytes: [MIB, 4 * MIB, 32 * MIB],
  inFlight: [1, 2],
  roundBytes: 512 * MIB,
  rounds: 5,
};
const quick: ThroughAgentsScale = { chunkBytes: [MIB, 8 * MIB], inFlight: [1], roundBytes: 128 * MIB, rounds: 3 };

export async function measureThroughAgents(
  bench: Bench,
  paths: readonly string[],
  baselines: readonly Baseline[],
  teardown: Teardown,
): Promise<Row[]> {
  const scale = bench.quick ? quick : full;
  const rows: Row[] = [];
  bench.progress.begin('data through agents', paths.length * scale.chunkBytes.length);
  for (const path of paths) {
    for (const chunkBytes of scale.chunkBytes) {
      bench.progress.step(`${formatBytes(chunkBytes)}, ${path}`);
      const part = new Teardown();
      const undo = () => part.run(() => undefined);
      teardown.defer(undo);
      const [baseline] = baselines.filter((one) => one.path === path);
      rows.push(...(await measure(bench, path, chunkBytes, scale, baseline, part)));
      await undo();
    }
  }
  bench.progress.end();
  return rows;
}

async function measure(
  bench: Bench,
  path: string,
  chunkBytes: number,
  scale: ThroughAgentsScale,
  baseline: Baseline | undefined,
  teardown: Teardown,
): Promise<Row[]> {
  const inFlightMax = Math.max(...scale.inFlight);
  const requestsOfRound = Math.max(inFlightMax, Math.floor(scale.roundBytes / chunkBytes / KEYS_PER_REQUEST));
  const chunks = requestsOfRound * KEYS_PER_REQUEST;
  const directory = bench.sharedDirectory(teardown);
  const workDirectory = bench.workDirectory(teardown);
  const arena = { pageBytes: chunkBytes, arenaPages: chunks };
  const settings = [
    '--provider',
    path,
    '--bind-address',
    bench.bindAddress,
    '--heartbeat-ms',
    '5s',
    '--lease-ms',
    '600s',
    '--segment-directory',
    MEMFD_DIRECTORY,
  ];
  const cluster = await startCluster({ prefillAgents: 1, ...arena, directory, workDirectory, settings }, teardown);
  const requests = new Requests(cluster);
  const memory = { bytes: chunks * chunkBytes, logDirectory: workDirectory };
  const sourcePath = await makeEngineMemory(memory, teardown);
  for (const { name } of cluster.prefill) await requests.attachAt(name, sourcePath);
  const source = await SharedFile.open(sourcePath);
  teardown.defer(() => source.close());
  const rows: Row[] = [];
  for (const inFlight of scale.inFlight) {
    const taken = await interleave(
      [
        {
          name: 'kvferry',
          take: async () => {
            const round = bench.nextSeed();
            await fill(source, chunks, chunkBytes, round);
            const { seconds, events } = await moveAll(cluster, requests, { chunks, chunkBytes, inFlight });
            bench.countWrong(`through agents, ${path}`, await verifyAll(requests, events, chunkBytes, round));
            return (chunks * chunkBytes) / BYTES_PER_GB / seconds;
          },
        },
        ...(baseline === undefined
          ? []
          : [{ name: baseline.name, take: () => baseline.measure({ chunkBytes, chunks, batch: 1, inFlight: 1 }) }]),
      ],
      { rounds: scale.rounds, warmUpRounds: 1 },
    );
    const rates = taken.get('kvferry') ?? [];
    const theirs = baseline === undefined ? undefined : taken.get(baseline.name);
    rows.push({
      table: 'through agents',
      parameters: { path, chunkBytes, keysPerRequest: KEYS_PER_REQUEST, inFlight },
      figures: {
        kvferryGbps: spreadOf(rates),
        ...(baseline === undefined || theirs === undefined
          ? {}
          : { [`${baseline.name}Gbps`]: spreadOf(theirs), ofBaseline: spreadOf(ratios(rates, theirs)) }),
      },
    });
  }
  rows.push(await measureIdle(cluster, { path, chunkBytes }));
  return rows;
}

/** CPU time of agents that are connected and idle. */
async function measureIdle({ prefill, decode }: Cluster, parameters: Row['parameters']): Promise<Row> {
  const agents = [...prefill, decode];
  await delay(SETTLING_MS);
  const before = await Promise.all(agents.map((agent) => agent.probe()));
  await delay(IDLE_MS);
  const after = await Promise.all(agents.map((agent) => agent.probe()));
  const usPerMs = (index: number) => ((after[index]?.cpuUs ?? 0) - (before[index]?.cpuUs ?? 0)) / IDLE_MS;
  return {
    table: 'idle agents',
    parameters,
    figures: { prefillCpuMsPerS: rounded(usPerMs(0)), decodeCpuMsPerS: rounded(usPerMs(1)) },
  };
}

async function fill(source: SharedFile, chunks: number, chunkBytes: number, round: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let number = 0; number < chunks; number += 1) {
    fillChunk(chunk, round, number);
    await source.write(number * chunkBytes, chunk);
  }
}

interface Moved {
  readonly event: TerminalEvent;
  readonly chunks: readonly SourceChunk[];
}

async function moveAll(
  cluster: Cluster,
  requests: Requests,
  { chunks, chunkBytes, inFlight }: { readonly chunks: number; readonly chunkBytes: number; readonly inFlight: number },
): Promise<{ readonly seconds: number; readonly events: readonly Moved[] }> {
  const sender = cluster.prefill[0]?.name ?? '';
  const batches = Array.from({ length: chunks / KEYS_PER_REQUEST }, (_, index) => {
    return requests.chunks(freshKeys(KEYS_PER_REQUEST), chunkBytes, index * KEYS_PER_REQUEST);
  });
  const startMs = performance.now();
  const events = await repeatCount({ atOnce: inFlight, count: batches.length }, async (index): Promise<Moved> => {
    const batch = batches[index] as SourceChunk[];
    return { event: await requests.move(sender, batch), chunks: batch };
  });
  return { seconds: (performance.now() - startMs) / MS_PER_S, events };
}

/** Chunks that are missing or have other bytes than their source. Releases the requests. */
async function verifyAll(
  requests: Requests,
  moved: readonly Moved[],
  chunkBytes: number,
  round: number,
): Promise<number> {
  const actual = Buffer.allocUnsafe(chunkBytes);
  const expected = Buffer.allocUnsafe(chunkBytes);
  let wrong = 0;
  for (const { event, chunks } of moved) {
    await using found = await requests.acquire(event);
    for (const { key, offset } of chunks) {
      fillChunk(expected, round, offset / chunkBytes);
      if (found.places.has(key)) await found.read(key, actual);
      if (!found.places.has(key) || !actual.equals(expected)) wrong += 1;
    }
  }
  return wrong;
}
