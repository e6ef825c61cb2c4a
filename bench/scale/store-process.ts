/** Measures the store in a process of its own, whose heap nothing else is on. Answers one question, and ends. */
import { FilledStore, type Filling } from './filled-store.js';

export interface StoreQuestion {
  readonly fillings: readonly Filling[];
  readonly keysPerBatch: number;
  readonly batches: number;
  readonly rounds: number;
}

export interface StoreAnswer {
  /** Of a batch, by filling and round. */
  readonly batchUs: readonly (readonly number[])[];
  /** What each filled store takes. */
  readonly heapBytes: readonly number[];
}

const US_PER_MS = 1000;

process.on('message', ({ fillings, keysPerBatch, batches, rounds }: StoreQuestion) => {
  const heapBytes: number[] = [];
  const stores = fillings.map((filling) => {
    const before = heapNow();
    const store = new FilledStore(filling);
    heapBytes.push(heapNow() - before);
    return store;
  });
  const batchUs: number[][] = fillings.map(() => []);
  // The first round compiles the code.
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, store] of stores.entries()) {
      const startMs = performance.now();
      for (let batch = 0; batch < batches; batch += 1) store.batch(keysPerBatch);
      if (round >= 0) batchUs[index]?.push(((performance.now() - startMs) * US_PER_MS) / batches);
    }
  }
  process.send?.({ ok: true, answer: { batchUs, heapBytes } satisfies StoreAnswer });
});
process.once('SIGTERM', () => process.exit());
process.once('disconnect', () => process.exit());

function heapNow(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
