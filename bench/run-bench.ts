/** Runs the suites one after the other. Each suite removes its processes and files before the next one begins. */
import { join } from 'node:path';
import { rounded } from '../src/figures/statistics.js';
import { Teardown } from '../src/processes/teardown.js';
import { KvferryError } from '../src/protocol/errors.js';
import { Bench } from './bench.js';
import { describeMachine, findVersions } from './harness/machine.js';
import { createProgress } from './harness/progress.js';
import { startPeers } from './peers/peer-contenders.js';
import type { PeerName } from './peers/peer-names.js';
import type { BenchReport } from './report.js';
import type { SuiteName } from './suite-names.js';
import type { SuiteResult } from './suite-result.js';
import { makeSuites, type RunSuite } from './suites.js';
import { judge } from './targets.js';

const MS_PER_S = 1000;

export interface RunOptions {
  readonly quick: boolean;
  readonly suites: readonly SuiteName[];
  /** The command that repeats the run. */
  readonly command: string;
  readonly peers: readonly PeerName[];
  /** Where kvferry listens. */
  readonly bindAddress: string;
  /** Root of the repository. */
  readonly root: string;
}

/** Rejects if the run could not be completed. */
export async function runBench(options: RunOptions, say: (line: string) => void): Promise<BenchReport> {
  const teardown = new Teardown();
  const interrupted = interruption(teardown);
  try {
    return await Promise.race([perform(options, say, teardown), interrupted]);
  } finally {
    await teardown.run((error) => say(`clean-up: ${String(error)}`));
  }
}

async function perform(options: RunOptions, say: (line: string) => void, teardown: Teardown): Promise<BenchReport> {
  const startMs = performance.now();
  const { quick, command, peers, bindAddress, root } = options;
  const versions = findVersions(join(root, 'package.json'));
  const bench = new Bench({ quick, bindAddress, versions, progress: createProgress(say, teardown), say });
  const folders = { build: join(root, 'build'), sources: join(root, 'bench/peers') };
  const suites = makeSuites(
    peers.length === 0 ? undefined : (given, part) => startPeers({ ...given, ...folders, peers }, part),
  );
  const results: Partial<Record<SuiteName, SuiteResult>> = {};
  for (const name of options.suites) results[name] = await runAlone(suites[name], bench, teardown, say);
  return {
    command,
    quick,
    machine: describeMachine(),
    versions,
    seconds: rounded((performance.now() - startMs) / MS_PER_S),
    suites: results,
    targets: judge(results),
    wrongChunks: bench.wrongChunks,
  };
}

async function runAlone(
  run: RunSuite,
  bench: Bench,
  whole: Teardown,
  say: (line: string) => void,
): Promise<SuiteResult> {
  const teardown = new Teardown();
  const undo = () => teardown.run((error) => say(`clean-up: ${String(error)}`));
  whole.defer(undo);
  const result = await run(bench, teardown);
  await undo();
  return result;
}

/** Rejects when the process receives a signal to end. */
function interruption(teardown: Teardown): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const end = () => reject(new KvferryError('cancelled_by_caller', `the benchmark was ended by ${signal}`));
      process.on(signal, end);
      teardown.defer(() => void process.off(signal, end));
    }
  });
}
