/**
 * A worker thread that is terminated while its fabric connects to a receiver that does not answer.
 * Arguments: path of the facade, provider, directory, endpoint and grant as JSON.
 */
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { bindAddress } from './surroundings.mjs';

if (workerData?.facade === undefined) {
  const [, , facade, provider, directory, endpoint, grant] = process.argv;
  const data = { facade, provider, directory, endpoint: JSON.parse(endpoint), grant: JSON.parse(grant) };
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
  await new Promise((resolve) => worker.once('message', resolve));
  process.stdout.write(`${JSON.stringify({ exitCode: await worker.terminate() })}\n`);
} else {
  const { facade, provider, directory, endpoint, grant } = workerData;
  const { openNativeFabric } = await import(facade);
  const fabric = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
  void fabric.connect(endpoint, grant, { timeoutMs: 60_000 });
  // A turn of the loop later it has begun to connect.
  setImmediate(() => setImmediate(() => parentPort.postMessage('connecting')));
}
