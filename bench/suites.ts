/** The suites of the benchmark, by name. */

import type { Teardown } from '../src/processes/teardown.js';
import type { Bench } from './bench.js';
import { runContention } from './contention/run-contention.js';
import { runControl } from './control/run-control.js';
import { runData, type StartPeers } from './data/run-data.js';
import { runObserve } from './observe/run-observe.js';
import { runRecovery } from './recovery/run-recovery.js';
import { runScale } from './scale/run-scale.js';
import type { SuiteName } from './suite-names.js';
import type { SuiteResult } from './suite-result.js';
import { runTurns } from './turns/run-turns.js';
import { runVllm } from './vllm/run-vllm.js';

export type RunSuite = (bench: Bench, teardown: Teardown) => Promise<SuiteResult>;

export function makeSuites(startPeers: StartPeers | undefined): Readonly<Record<SuiteName, RunSuite>> {
  return {
    data: (bench, teardown) => runData(bench, teardown, startPeers),
    control: runControl,
    contention: runContention,
    scale: runScale,
    recovery: runRecovery,
    observe: runObserve,
    turns: runTurns,
    vllm: runVllm,
  };
}
