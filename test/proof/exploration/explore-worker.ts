/** A thread that explores: one world after the other, until all are taken. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Explored, ExploreWork } from './explore-all.js';
import { worlds } from './worlds.js';

const MS_PER_SECOND = 1000;
const { taken, names, statesMax } = workerData as ExploreWork;

for (let index = Atomics.add(taken, 0, 1); index < names.length; index = Atomics.add(taken, 0, 1)) {
  const name = names[index] as string;
  const explore = worlds[name];
  if (explore === undefined) throw new Error(`there is no world ${name}`);
  const startedMs = performance.now();
  const exploration = explore({ statesMax });
  const seconds = Math.round(performance.now() - startedMs) / MS_PER_SECOND;
  parentPort?.postMessage({ name, ...exploration, seconds } satisfies Explored);
}
