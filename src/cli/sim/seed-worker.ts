/** A thread that runs seeds one after the other until none is left. */
import { parentPort, workerData } from 'node:worker_threads';
import { scenarioOf } from '../../proof/simulation/world/draw-scenario.js';
import { runScenario } from '../../proof/simulation/world/run-scenario.js';
import { shrink } from '../../proof/simulation/world/shrink.js';
import { FAILED, NEXT_SEED, type SeedReport, type SeedWork } from './seed-work.js';

async function work({ shared, untilSeed, untilFailure }: SeedWork): Promise<void> {
  for (let seed = take(shared); seed < untilSeed; seed = take(shared)) {
    if (untilFailure && Atomics.load(shared, FAILED) > 0) return;
    const { trace: _, ...result } = await runScenario(scenarioOf(seed));
    const isFirst = result.violation !== undefined && Atomics.exchange(shared, FAILED, 1) === 0;
    parentPort?.postMessage({ seed, result, ...(isFirst ? await made(seed, result.violation?.rule ?? '') : {}) });
  }
}

async function made(seed: number, rule: string): Promise<Pick<SeedReport, 'shrunk'>> {
  const { scenario, result } = await shrink(scenarioOf(seed), rule);
  return { shrunk: { scenario, violation: result.violation, trace: result.trace } };
}

function take(shared: Int32Array): number {
  return Atomics.add(shared, NEXT_SEED, 1);
}

await work(workerData as SeedWork);
