/** One store in a separate process, alone on its heap. Answers questions, and ends with its parent. */
import { FilledStore, type Filling, receivedKeys } from './filled-store.js';

export type StoreQuestion =
  | { readonly type: 'fill'; readonly filling: Filling }
  | { readonly type: 'measure'; readonly keysPerBatch: number; readonly batches: number };

export interface StoreAnswers {
  /** Heap of the filled store. */
  readonly fill: { readonly heapBytes: number };
  /** Average time of a batch. */
  readonly measure: { readonly batchUs: number };
}

const US_PER_MS = 1000;

let store: FilledStore | undefined;

process.on('message', (question: StoreQuestion) => {
  process.send?.({ ok: true, answer: question.type === 'fill' ? fill(question.filling) : measure(question) });
});
process.once('SIGTERM', () => process.exit());
process.once('disconnect', () => process.exit());

function fill(filling: Filling): StoreAnswers['fill'] {
  const before = heapNow();
  store = new FilledStore(filling);
  return { heapBytes: heapNow() - before };
}

function measure({ keysPerBatch, batches }: Extract<StoreQuestion, { type: 'measure' }>): StoreAnswers['measure'] {
  const made = Array.from({ length: batches }, () => receivedKeys(keysPerBatch));
  const startMs = performance.now();
  for (const keys of made) store?.batch(keys);
  return { batchUs: ((performance.now() - startMs) * US_PER_MS) / batches };
}

function heapNow(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
