/**
 * The observe suite: the cost of the journal and of an open inspector. The same load runs in alternation on agents without a
 * journal, on agents with one, and on agents with one that a client polls.
 */

import { Teardown } from '../../src/processes/teardown.js';
import type { Bench } from '../bench.js';
import { type Cluster, startCluster } from '../harness/cluster.js';
import { interleave } from '../harness/interleave.js';
import { runLoad, type Taken } from '../harness/load.js';
import { Requests } from '../harness/requests.js';
import type { SuiteResult } from '../suite-result.js';
import { type Looks, lookingRow } from './looking-row.js';
import { Watcher } from './watcher.js';

const PAGE_BYTES = 4096;
const ARENA_PAGES = 16_384;
const SOURCE_BYTES = 65_536;
const KEYS = 32;
/** Enough for several thousand transfers a second on two processors. */
const AT_ONCE = 16;
/** Long enough that no lease expires and no heartbeat is missed on the busy machine. */
const SETTINGS = ['--lease-ms', '3600s', '--heartbeat-ms', '5s'];
const MS_PER_S = 1000;
const NOTHING_SEEN = { seen: { entries: 0, oneIn: 1 }, seenS: 1 };

interface ObserveScale {
  /** How often new processes are started. Two processes of one program can differ for as long as they live. */
  readonly lives: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  /** Time for the watcher to adapt its sampling to the load. */
  readonly settleMs: number;
}

const full: ObserveScale = { lives: 3, rounds: 5, roundMs: 2000, warmUpMs: 6000, settleMs: 3000 };
const quick: ObserveScale = { lives: 1, rounds: 3, roundMs: 800, warmUpMs: 2000, settleMs: 1500 };

export async function runObserve(bench: Bench, teardown: Teardown): Promise<SuiteResult> {
  const scale = bench.quick ? quick : full;
  bench.progress.begin('observe', scale.lives);
  const lives: Looks[] = [];
  for (let life = 1; life <= scale.lives; life += 1) {
    bench.progress.step(`agents ${life} of ${scale.lives}`);
    const part = new Teardown();
    const undo = () => part.run(() => undefined);
    teardown.defer(undo);
    lives.push(await measure(scale, bench, part));
    await undo();
  }
  bench.progress.end();
  return {
    rows: [
      lookingRow(
        { keys: KEYS, atOnce: AT_ONCE },
        {
          blind: lives.flatMap(({ blind }) => blind),
          unwatched: lives.flatMap(({ unwatched }) => unwatched),
          watched: lives.flatMap(({ watched }) => watched),
        },
      ),
    ],
    notRun: [],
  };
}

async function measure(scale: ObserveScale, bench: Bench, teardown: Teardown): Promise<Looks> {
  const blind = await start(['--journal-entries', '0'], scale, bench, teardown);
  const seeing = await start([], scale, bench, teardown);
  const watcher = await Watcher.start(seeing.cluster, bench.workDirectory(teardown), teardown);
  const taken = await interleave<Looks['watched'][number]>(
    [
      { name: 'blind', take: async () => ({ ...(await blind.load(scale.roundMs)), ...NOTHING_SEEN }) },
      { name: 'unwatched', take: async () => ({ ...(await seeing.load(scale.roundMs)), ...NOTHING_SEEN }) },
      {
        name: 'watched',
        take: async () => {
          const startMs = performance.now();
          await watcher.look();
          await seeing.load(scale.settleMs);
          const load = await seeing.load(scale.roundMs);
          const seen = await watcher.lookAway();
          return { ...load, seen, seenS: (performance.now() - startMs) / MS_PER_S };
        },
      },
    ],
    { rounds: scale.rounds, warmUpRounds: 1 },
  );
  const of = (name: keyof Looks) => taken.get(name) ?? [];
  return { blind: of('blind'), unwatched: of('unwatched'), watched: of('watched') };
}

interface LoadedCluster {
  readonly cluster: Cluster;
  load(durationMs: number): Promise<Taken>;
}

async function start(
  settings: readonly string[],
  { warmUpMs }: ObserveScale,
  bench: Bench,
  teardown: Teardown,
): Promise<LoadedCluster> {
  const directory = bench.sharedDirectory(teardown);
  const workDirectory = bench.workDirectory(teardown);
  const shape = { prefillAgents: 1, pageBytes: PAGE_BYTES, arenaPages: ARENA_PAGES };
  const options = { ...shape, directory, workDirectory, settings: [...SETTINGS, ...settings] };
  const cluster = await startCluster(options, teardown);
  const requests = new Requests(cluster);
  await requests.attach(directory, SOURCE_BYTES);
  const load = (durationMs: number) =>
    runLoad({ keys: KEYS, sharedKeys: [], atOnce: AT_ONCE, durationMs }, cluster, requests);
  // The first requests of an agent run code that is not compiled yet. Agents run for months.
  await load(warmUpMs);
  return { cluster, load };
}
