/**
 * The control suite: everything but the bytes. Chunks have one byte, so messages and decisions take the time. Bare NATS round
 * trips of the same sizes run in alternation.
 */

import { percentile, ratios, rounded, spreadOf } from '../../src/figures/statistics.js';
import { Teardown } from '../../src/processes/teardown.js';
import type { Bench } from '../bench.js';
import { CHUNK_BYTES } from '../harness/chunk.js';
import { type Cluster, startCluster } from '../harness/cluster.js';
import { interleave } from '../harness/interleave.js';
import { freshKeys } from '../harness/keys.js';
import { runLoad, type Taken } from '../harness/load.js';
import { Requests } from '../harness/requests.js';
import type { Row, SuiteResult } from '../suite-result.js';
import { type ControlCase, type ControlScale, fullControl, quickControl } from './control-case.js';
import { measureEventLoop } from './event-loop.js';
import { measureMemory } from './memory.js';
import { messageSizes } from './message-sizes.js';
import { measureRoundTrips, startEcho } from './round-trips.js';

const PAGE_BYTES = 4096;
const ARENA_PAGES = 262_144;
const SOURCE_BYTES = 65_536;
/** Long enough that no lease expires and no heartbeat is missed on the busy machine. */
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
  // The first requests of an agent run code that is not compiled yet. Agents run for months.
  await runLoad({ keys: 32, sharedKeys: [], atOnce: 8, durationMs: scale.warmUpMs }, cluster, requests);
  for (const one of cases) {
    bench.progress.step(`${one.keys} keys, ${one.shared} shared, ${one.atOnce} at once, ${one.senders} senders`);
    rows.push(await measure(one, scale, cluster, requests));
  }
  if (senders === 1) {
    rows.push(...(await measureMemory(bench.quick, cluster, requests)), ...(await measureEventLoop(cluster, requests)));
  }
  return rows;
}

async function measure(one: ControlCase, scale: ControlScale, cluster: Cluster, requests: Requests): Promise<Row> {
  const sharedKeys = freshKeys(Math.floor(one.keys * one.shared));
  const sender = cluster.prefill[0]?.name ?? '';
  const shared = requests.chunks(sharedKeys, CHUNK_BYTES);
  const anchor = sharedKeys.length > 0 ? await requests.move(sender, shared) : undefined;
  const sizes = messageSizes(one);
  const pace = { atOnce: one.atOnce, durationMs: scale.roundMs };
  const taken = await interleave<Taken>(
    [
      {
        name: 'round trips',
        take: async () => ({ ...(await measureRoundTrips(cluster.control, sizes, pace)), cpuUs: 0, decodeCpuUs: 0 }),
      },
      { name: 'requests', take: () => runLoad({ keys: one.keys, sharedKeys, ...pace }, cluster, requests) },
    ],
    { rounds: scale.rounds, warmUpRounds: 1 },
  );
  if (anchor !== undefined) await requests.release(anchor);
  return rowOf(one, taken.get('requests') ?? [], taken.get('round trips') ?? []);
}

function rowOf(one: ControlCase, requests: readonly Taken[], roundTrips: readonly Taken[]): Row {
  const all = requests.flatMap(({ timesMs }) => timesMs);
  const allRoundTrips = roundTrips.flatMap(({ timesMs }) => timesMs);
  const p50s = (rounds: readonly Taken[]) => rounds.map(({ timesMs }) => percentile(timesMs, 0.5));
  const oneTrip = p50s(roundTrips).map((threeMs) => threeMs / 3);
  const cpuPerS = requests.map(({ decodeCpuUs, timesMs }) => 1e6 / (decodeCpuUs / timesMs.length));
  return {
    table: 'requests',
    parameters: { keys: one.keys, shared: one.shared, atOnce: one.atOnce, senders: one.senders },
    figures: {
      batchesPerS: spreadOf(requests.map(({ timesMs, seconds }) => timesMs.length / seconds)),
      readyP50Ms: spreadOf(p50s(requests)),
      readyP99Ms: rounded(percentile(all, 0.99)),
      readyP999Ms: rounded(percentile(all, 0.999)),
      threeRoundTripsP50Ms: spreadOf(p50s(roundTrips)),
      threeRoundTripsP99Ms: rounded(percentile(allRoundTrips, 0.99)),
      roundTripsToReady: spreadOf(ratios(p50s(requests), oneTrip)),
      cpuPerKeyUs: spreadOf(requests.map(({ cpuUs, timesMs }) => cpuUs / timesMs.length / one.keys)),
      // The rate of a decode agent with a processor of its own.
      decodeBatchesPerCpuS: spreadOf(cpuPerS),
      measuredBatches: all.length,
    },
  };
}
