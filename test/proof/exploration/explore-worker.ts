/** A thread that explores: one configuration after the other, until all are taken. */
import { parentPort, workerData } from 'node:worker_threads';
import { configurations } from './configurations.js';
import type { Explored, ExploreWork } from './explore-all.js';
import { explore } from './explorer.js';

const MS_PER_SECOND = 1000;
const { taken, names, statesMax } = workerData as ExploreWork;

for (let index = Atomics.add(taken, 0, 1); index < names.length; index = Atomics.add(taken, 0, 1)) {
  const name = names[index] as string;
  const configuration = configurations[name];
  if (configuration === undefined) throw new Error(`there is no configuration ${name}`);
  const startedMs = performance.now();
  const exploration = explore(configuration, { statesMax });
  const seconds = Math.round(performance.now() - startedMs) / MS_PER_SECOND;
  parentPort?.postMessage({ name, ...exploration, seconds } satisfies Explored);
}
