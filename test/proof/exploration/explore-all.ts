/** Explores several worlds at once. Each is explored by one thread, so its counts do not depend on the others. */
import { Worker } from 'node:worker_threads';
import type { Exploration } from './explorer.js';

export interface Explored extends Exploration {
  /** Of the world. */
  readonly name: string;
  readonly seconds: number;
}

/** What every thread is given. */
export interface ExploreWork {
  /** Shared by all threads: how many of `names` are taken. */
  readonly taken: Int32Array;
  readonly names: readonly string[];
  /** A world is left when it has so many states. */
  readonly statesMax: number | undefined;
}

/** Resolves with what was found, in the order of `names`; `onExplored` is called with each as soon as it is complete. */
export async function exploreAll(
  names: readonly string[],
  options: { readonly threads: number; readonly statesMax: number | undefined },
  onExplored: (explored: Explored) => void,
): Promise<readonly Explored[]> {
  const taken = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const work: ExploreWork = { taken, names: largestFirst(names), statesMax: options.statesMax };
  const all: Explored[] = [];
  const thread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL('./explore-worker.js', import.meta.url), { workerData: work });
      worker.on('message', (explored: Explored) => {
        all.push(explored);
        onExplored(explored);
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  await Promise.all(Array.from({ length: Math.min(options.threads, names.length) }, thread));
  return all.sort((one, other) => names.indexOf(one.name) - names.indexOf(other.name));
}

/** What two requests of two batches add to the size of a world, in faults. */
const BATCHES_WEIGHT = 2;

/**
 * The number of states grows with the number of faults, and with that of batches. A large world that is begun last would keep one
 * thread alone at work.
 */
function largestFirst(names: readonly string[]): string[] {
  const weight = (name: string) => name.split('-').length + (name.startsWith('bothBatches') ? BATCHES_WEIGHT : 0);
  return names.toSorted((one, other) => weight(other) - weight(one));
}
