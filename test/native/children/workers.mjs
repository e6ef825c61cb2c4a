/**
 * Fabrics in worker threads: two at once that end by themselves, then one that is terminated in the middle of a write,
 * then one more in the main thread. Arguments: path of the facade, provider, directory.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, workerData } from 'node:worker_threads';
import { bindAddress, timeoutMs } from './surroundings.mjs';

const MiB = 2 ** 20;

if (workerData?.facade === undefined) {
  const [, , facade, provider, directory] = process.argv;
  const start = (name, endless) => {
    mkdirSync(`${directory}/${name}`);
    return new Worker(fileURLToPath(import.meta.url), {
      workerData: { facade, provider, directory: `${directory}/${name}`, endless },
    });
  };
  const message = (worker) => new Promise((resolve) => worker.once('message', resolve));
  const ended = (worker) => new Promise((resolve) => worker.once('exit', resolve));
  const pair = [start('one', false), start('other', false)];
  const pairEnds = pair.map(ended);
  const outcomes = await Promise.all(pair.map(message));
  await Promise.all(pairEnds);
  const endless = start('endless', true);
  outcomes.push(await message(endless));
  await endless.terminate();
  mkdirSync(`${directory}/main`);
  outcomes.push(await exchange({ facade, provider, directory: `${directory}/main`, endless: false }));
  process.stdout.write(`${JSON.stringify(outcomes)}\n`);
} else {
  const { parentPort } = await import('node:worker_threads');
  parentPort.postMessage(await exchange(workerData));
}

async function exchange({ facade, provider, directory, endless }) {
  const { openNativeFabric } = await import(facade);
  const receiver = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
  const sender = await openNativeFabric({ providers: [provider], bindAddress, socketDirectory: directory });
  await receiver.createArena({ path: `${directory}/arena`, pageBytes: MiB, pages: 1 });
  await sender.createSegment('s', `${directory}/segment`, MiB);
  const grant = await receiver.grant(provider);
  const connection = await sender.connect(receiver.endpoints()[0], grant, { timeoutMs });
  const item = { segment: 's', sourceOffset: 0, targetOffset: 0, length: MiB };
  const outcome = await connection.write([item]).done;
  if (endless) connection.write(Array(100_000).fill(item));
  return outcome;
}
