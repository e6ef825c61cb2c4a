/**
 * The data suite: chunks travel from the memory of one process to the memory of another. The receiver verifies every byte
 * after the clock has stopped. Baselines and peers run in alternation.
 */

import { ratios, type Spread, spreadOf } from '../../src/figures/statistics.js';
import { formatBytes } from '../../src/figures/units.js';
import type { Teardown } from '../../src/processes/teardown.js';
import type { Bench } from '../bench.js';
import { interleave, type Turn } from '../harness/interleave.js';
import { roomBytes } from '../harness/room.js';
import { peerNames } from '../peers/peer-names.js';
import type { Row, SuiteResult } from '../suite-result.js';
import { findBaselines } from './baselines.js';
import type { Contender, WriteTimes } from './contender.js';
import { startKvferry } from './kvferry-contender.js';
import { measureThroughAgents } from './through-agents.js';
import { type DataScale, fullData, peersData, quickData, type WriteCase, writeCases } from './write-case.js';

const GIB = 1024 ** 3;
/** Size of a source or an arena. */
const FULL_ROOM_BYTES = GIB;
const QUICK_ROOM_BYTES = GIB / 4;
/** kvferry, memcpy and five pairs of peers have a source and a target each. */
const ROOM_PARTS = 14;
const BYTES_PER_GB = 1e9;

/** Starts peers that write the same chunks. Each has `bytes` bytes on both sides. */
export type StartPeers = (
  options: { readonly bytes: number; readonly logDirectory: string },
  teardown: Teardown,
) => Promise<{ readonly contenders: readonly Contender[]; readonly notRun: SuiteResult['notRun'] }>;

interface Taken {
  readonly gbps: number;
  readonly times?: WriteTimes;
}

export async function runData(bench: Bench, teardown: Teardown, startPeers?: StartPeers): Promise<SuiteResult> {
  const scale = scaleOf(bench, startPeers !== undefined);
  const { cases, notRun } = writeCases(scale);
  const directory = bench.sharedDirectory(teardown);
  const bytes = Math.max(...cases.map(({ chunkBytes, chunks }) => chunkBytes * chunks));
  const logDirectory = bench.workDirectory(teardown);
  const kvferry = await startKvferry({ directory, logDirectory, bindAddress: bench.bindAddress, bytes }, teardown);
  const peers = await startPeers?.({ bytes, logDirectory }, teardown);
  const { baselines, notRun: missing } = findBaselines(directory, bench.versions);
  const contenders = [...kvferry.contenders, ...(peers?.contenders ?? [])];
  const paths = [...new Set(kvferry.contenders.map(({ path }) => path))];
  const rows: Row[] = [];
  for (const contender of contenders) contender.pause();
  bench.progress.begin('data', cases.length);
  for (const one of cases) {
    bench.progress.step(`${formatBytes(one.chunkBytes)} × ${one.batch}, ${one.inFlight} in flight`);
    const turns: Turn<Taken>[] = [
      ...contenders.map((contender) => ({
        name: `${contender.path} ${contender.name}`,
        take: (round: number) => takeWrite(contender, one, round, bench),
      })),
      ...baselines.map(({ name, path, measure }) => ({
        name: `${path} ${name}`,
        take: async () => ({ gbps: await measure(one) }),
      })),
    ];
    const taken = await interleave(turns, scale);
    for (const path of paths) rows.push(rowOf(one, path, taken));
  }
  bench.progress.end();
  const byPath = paths.flatMap((path) => rows.filter(({ parameters }) => parameters['path'] === path));
  const throughAgents = await measureThroughAgents(bench, paths, baselines, teardown);
  return {
    rows: [...byPath, ...throughAgents],
    notRun: [...notRun, ...kvferry.notRun, ...missing, ...perftest(paths), ...(peers?.notRun ?? [])],
  };
}

async function takeWrite(contender: Contender, one: WriteCase, round: number, bench: Bench): Promise<Taken> {
  const seed = bench.nextSeed();
  contender.resume();
  await contender.fill(one, seed);
  const times = await contender.write(one);
  bench.countWrong(`${contender.name}, ${contender.path}, round ${round}`, await contender.verify(one, seed));
  contender.pause();
  return { gbps: (one.chunkBytes * one.chunks) / BYTES_PER_GB / times.seconds, times };
}

function rowOf(one: WriteCase, path: Contender['path'], taken: ReadonlyMap<string, readonly Taken[]>): Row {
  const { chunkBytes, batch, inFlight } = one;
  const figures: Record<string, Spread | number> = {};
  const rates = (name: string) => (taken.get(`${path} ${name}`) ?? []).map(({ gbps }) => gbps);
  for (const [name, results] of taken) {
    const [where, who] = name.split(' ') as [string, string];
    if (where !== path) continue;
    figures[`${who}Gbps`] = spreadOf(results.map(({ gbps }) => gbps));
    const times = results.flatMap((result) => result.times ?? []);
    if (times.length === 0) continue;
    figures[`${who}BatchP50Us`] = spreadOf(times.map(({ batchP50Us }) => batchP50Us));
    figures[`${who}BatchP99Us`] = spreadOf(times.map(({ batchP99Us }) => batchP99Us));
    const cpu = cpuPerGb(one, results);
    if (cpu.length > 0) figures[`${who}CpuSPerGb`] = spreadOf(cpu);
  }
  const baseline = { 'same-host': 'memcpy', tcp: 'tcpStream', verbs: undefined }[path];
  if (baseline !== undefined) figures['ofBaseline'] = spreadOf(ratios(rates('kvferry'), rates(baseline)));
  const libfabric = taken.get(`${path} libfabric`) ?? [];
  if (libfabric.length > 0) {
    const own = cpuPerGb(one, taken.get(`${path} kvferry`) ?? []);
    figures['cpuOfLibfabric'] = spreadOf(ratios(own, cpuPerGb(one, libfabric)));
  }
  for (const peer of peerNames) {
    const theirs = rates(peer);
    if (theirs.length > 0) figures[`of-${peer}`] = spreadOf(ratios(rates('kvferry'), theirs));
  }
  return { table: 'write', parameters: { path, chunkBytes, batch, inFlight }, figures };
}

/** Processor time of the sender in seconds a GB, in each round. */
function cpuPerGb({ chunkBytes, chunks }: WriteCase, results: readonly Taken[]): number[] {
  const gigabytes = (chunkBytes * chunks) / BYTES_PER_GB;
  return results.flatMap(({ times }) => {
    const seconds = times?.senderCpuSeconds;
    return seconds === undefined ? [] : [seconds / gigabytes];
  });
}

function scaleOf(bench: Bench, withPeers: boolean): DataScale {
  const full = withPeers ? peersData : fullData;
  const [scale, wanted] = bench.quick ? [quickData, QUICK_ROOM_BYTES] : [full, FULL_ROOM_BYTES];
  return { ...scale, roomBytes: Math.min(wanted, Math.floor(roomBytes(bench.sharedMemory) / ROOM_PARTS)) };
}

/** On an RDMA device, verbs must be compared with ib_write_bw. */
function perftest(paths: readonly string[]): SuiteResult['notRun'] {
  const reason = paths.includes('verbs')
    ? 'run it by hand on the device: it needs two hosts or a loop-back cable to say something'
    : 'there is no RDMA device';
  return [{ what: 'ib_write_bw', reason }];
}
