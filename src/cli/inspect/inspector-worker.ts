/** The code of the inspector thread: runs an inspector until the order to close. */
import { parentPort, workerData } from 'node:worker_threads';
import { toFailure } from '../../protocol/codec.js';
import type { ThreadOptions, ThreadReport } from './inspector-thread.js';
import { startLiveInspector } from './live-inspector.js';

const report = (message: ThreadReport) => parentPort?.postMessage(message);

try {
  const inspector = await startLiveInspector(workerData as ThreadOptions);
  parentPort?.once('message', () => void inspector.close());
  report({ url: inspector.url, bound: inspector.bound });
} catch (error) {
  report({ failure: toFailure(error) });
}
