/**
 * The inspector on a thread of its own, for processes that have something else to do: nothing of it is loaded before, and what it
 * costs, drawing the machines say, keeps nobody waiting.
 */
import { Worker } from 'node:worker_threads';
import type { RunningInspector } from '../../observe/inspector/server/inspector-server.js';
import { fromFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { LiveInspectorOptions } from './live-inspector.js';

export type ThreadOptions = Omit<LiveInspectorOptions, 'logger'>;
/** What the thread says once. */
export type ThreadReport = { readonly url: string } | { readonly failure: Failure };

/** Rejects as `startLiveInspector` does. It does not keep the process alive. `onFailure`: it has ended by an error, later. */
export async function startInspectorThread(
  options: ThreadOptions,
  onFailure: (error: unknown) => void,
): Promise<RunningInspector> {
  const worker = new Worker(new URL('./inspector-worker.js', import.meta.url), { workerData: options });
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let fail = onFailure;
  // Without anybody who hears of it, an error there would end this process.
  worker.on('error', (error) => fail(error));
  const report = await new Promise<ThreadReport>((resolve, reject) => {
    fail = reject;
    worker.once('message', resolve);
    void gone.then(() => reject(new KvferryError('internal', 'the thread of the inspector has ended')));
  });
  fail = onFailure;
  if ('failure' in report) {
    await gone;
    throw fromFailure(report.failure);
  }
  worker.unref();
  const close = async () => {
    worker.ref();
    worker.postMessage('close');
    await gone;
  };
  return { url: report.url, close };
}
