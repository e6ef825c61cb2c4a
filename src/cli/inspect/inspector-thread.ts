/**
 * Runs the inspector on a separate thread, for processes with other work. The inspector is loaded only there, and expensive
 * work such as drawing the machines does not delay the process.
 */
import { Worker } from 'node:worker_threads';
import type { RunningInspector } from '../../observe/inspector/server/inspector-server.js';
import { fromFailure } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { LiveInspectorOptions } from './live-inspector.js';

export type ThreadOptions = Omit<LiveInspectorOptions, 'logger'>;
/** The first message of the thread. */
export type ThreadReport = Pick<RunningInspector, 'url' | 'bound'> | { readonly failure: Failure };

/** Rejects as `startLiveInspector` does. Does not keep the process alive. `onFailure` is called when the thread fails later. */
export async function startInspectorThread(
  options: ThreadOptions,
  onFailure: (error: unknown) => void,
): Promise<RunningInspector> {
  const worker = new Worker(new URL('./inspector-worker.js', import.meta.url), { workerData: options });
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let fail = onFailure;
  // Without a listener, an error in the thread would end this process.
  worker.on('error', (error) => fail(error));
  const report = await new Promise<ThreadReport>((resolve, reject) => {
    fail = reject;
    worker.once('message', resolve);
    void gone.then(() => reject(new KvferryError('internal', 'the thread of the inspector ended during its start')));
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
  return { ...report, close };
}
