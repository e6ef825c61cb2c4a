/**
 * The control suite: everything but the bytes. Chunks of one byte, so that what takes time is messages and decisions; bare
 * NATS round trips of the same sizes in turns with them.
 */
import type { Bench } from '../bench.js';
import { type Cluster, startCluster } from '../harness/cluster.js';
import { interleave } from '../harness/interleave.js';
import { freshKeys } from '../harness/keys.js';
import { Requests } from '../harness/requests.js';
import { quantile, ratios, rounded, spreadOf } from '../harness/statistics.js';
import { Teardown } from '../harness/teardown.js';
import type { Row, SuiteResult } from '../report.js';
import { CHUNK_BYTES } from './chunk.js';
import { type ControlCase, type ControlScale, fullControl, quickControl } from './control-case.js';
import { measureEventLoop } from './event-loop.js';
import { measureMemory } from './memory.js';
import { messageSizes } from './message-sizes.js';
import { repeat } from './repeat.js';
import { measureRoundTrips, startEcho } from './round-trips.js';

const PAGE_BYTES = 4096;
const ARENA_PAGES = 262_144;
const SOURCE_BYTES = 65_536;
/** Nothing expires, and no heartbeat is missed, while the machine is busy with measuring. */
const SETTINGS = ['--lease-ms', '3600s', '--heartbeat-ms', '5s', '--requests-max', '100000'];

export async function runControl(bench: Bench, teardown: Teardown): Promise<SuiteResult> {
  const scale = bench.quick ? quickControl : fullControl;
  const rows: Row[] = [];
  bench.progress.begin('control', scale.cases.length);
  for (const senders of new Set(scale.cases.map((one) => one.senders))) {
    const cases = scale.cases.filter((one) => one.senders === senders);
    const part = new Teardown();
    const undo = () => part.run(() => undefined);
    teardown.defer(undo);
    rows.push(...(await runWithSenders(senders, cases, scale, bench, part)));
    await undo();
  }
  bench.progress.end();
  return { rows, notRun: [] };
}

async function runWithSenders(
  senders: number,
  cases: readonly ControlCase[],
  scale: ControlScale,
  bench: Bench,
  teardown: Teardown,
): Promise<Row[]> {
  const directory = bench.sharedDirectory(teardown);
  const workDirectory = bench.workDirectory(teardown);
  const arena = { pageBytes: PAGE_BYTES, arenaPages: ARENA_PAGES };
  const cluster = await startCluster(
    { prefillAgents: senders, ...arena, directory, workDirectory, settings: SETTINGS },
    teardown,
  );
  await startEcho(cluster, workDirectory, teardown);
  const requests = new Requests(cluster);
  await requests.attach(directory, SOURCE_BYTES);
  const rows: Row[] = [];
  // Agents run for months: their first requests run code that is not compiled yet.
  await load({ keys: 32, shared: 0, atOnce: 8, senders }, scale.warmUpMs, cluster, requests, []);
  for (const one of cases) {
    bench.progress.step(`${one.keys} keys, ${one.shared} shared, ${one.atOnce} at once, ${one.senders} senders`);
    rows.push(await measure(one, scale, cluster, requests));
  }
  if (senders === 1) {
    rows.push(...(await measureMemory(bench.quick, cluster, requests)), ...(await measureEventLoop(cluster, requests)));
  }
  return rows;
}

interface Taken {
  readonly timesMs: readonly number[];
  readonly seconds: number;
  /** Of all agents, and of the decode agent alone. */
  readonly cpuUs: number;
  readonly decodeCpuUs: number;
}

async function measure(one: ControlCase, scale: ControlScale, cluster: Cluster, requests: Requests): Promise<Row> {
  const sharedKeys = freshKeys(Math.floor(one.keys * one.shared));
  const sender = cluster.prefill[0]?.name ?? '';
  const source = requests.source(sharedKeys.length, CHUNK_BYTES);
  const anchor = sharedKeys.length > 0 ? await requests.move(sender, { keys: sharedKeys, source }) : undefined;
  const sizes = messageSizes(one);
  const pace = { atOnce: one.atOnce, durationMs: scale.roundMs };
  const taken = await interleave<Taken>(
    [
      {
        name: 'round trips',
        take: async () => ({ ...(await measureRoundTrips(cluster.control, sizes, pace)), cpuUs: 0, decodeCpuUs: 0 }),
      },
      { name: 'requests', take: () => load(one, scale.roundMs, cluster, requests, sharedKeys) },
    ],
    { rounds: scale.rounds, warmUpRounds: 1 },
  );
  if (anchor !== undefined) await requests.release(anchor);
  return rowOf(one, taken.get('requests') ?? [], taken.get('round trips') ?? []);
}

/** Requests, each put, ready and released, by the senders in turns. What is timed is from put to ready. */
async function load(
  one: ControlCase,
  durationMs: number,
  cluster: Cluster,
  requests: Requests,
  sharedKeys: readonly string[],
): Promise<Taken> {
  const agents = [cluster.decode, ...cluster.prefill];
  const before = await Promise.all(agents.map((agent) => agent.probe()));
  const source = requests.source(one.keys, CHUNK_BYTES);
  let turn = 0;
  const ran = await repeat({ atOnce: one.atOnce, durationMs }, async () => {
    turn += 1;
    const keys = [...sharedKeys, ...freshKeys(one.keys - sharedKeys.length)];
    const sender = cluster.prefill[turn % cluster.prefill.length]?.name ?? '';
    const startMs = performance.now();
    const event = await requests.move(sender, { keys, source });
    const elapsedMs = performance.now() - startMs;
    await requests.release(event);
    return elapsedMs;
  });
  const after = await Promise.all(agents.map((agent) => agent.probe()));
  const used = after.map(({ cpuUs }, index) => cpuUs - (before[index]?.cpuUs ?? 0));
  return { ...ran, cpuUs: used.reduce((sum, cpuUs) => sum + cpuUs, 0), decodeCpuUs: used[0] ?? 0 };
}

function rowOf(one: ControlCase, requests: readonly Taken[], roundTrips: readonly Taken[]): Row {
  const all = requests.flatMap(({ timesMs }) => timesMs);
  const allRoundTrips = roundTrips.flatMap(({ timesMs }) => timesMs);
  const p50s = (rounds: readonly Taken[]) => rounds.map(({ timesMs }) => quantile(timesMs, 0.5));
  const oneTrip = p50s(roundTrips).map((threeMs) => threeMs / 3);
  const cpuPerS = requests.map(({ decodeCpuUs, timesMs }) => 1e6 / (decodeCpuUs / timesMs.length));
  return {
    table: 'requests',
    parameters: { keys: one.keys, shared: one.shared, atOnce: one.atOnce, senders: one.senders },
    figures: {
      batchesPerS: spreadOf(requests.map(({ timesMs, seconds }) => timesMs.length / seconds)),
      readyP50Ms: spreadOf(p50s(requests)),
      readyP99Ms: rounded(quantile(all, 0.99)),
      readyP999Ms: rounded(quantile(all, 0.999)),
      threeRoundTripsP50Ms: spreadOf(p50s(roundTrips)),
      threeRoundTripsP99Ms: rounded(quantile(allRoundTrips, 0.99)),
      roundTripsToReady: spreadOf(ratios(p50s(requests), oneTrip)),
      cpuPerKeyUs: spreadOf(requests.map(({ cpuUs, timesMs }) => cpuUs / timesMs.length / one.keys)),
      // What one processor could do for the decode agent, if it did nothing else.
      decodeBatchesPerCpuS: spreadOf(cpuPerS),
      measuredBatches: all.length,
    },
  };
}
