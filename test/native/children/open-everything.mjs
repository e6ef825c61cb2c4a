/**
 * Opens two fabrics in one process, keeps a write in flight, and then exits in the requested way.
 * Arguments: path of the facade, provider, directory, way.
 */
import { writeFileSync } from 'node:fs';
import { bindAddress, timeoutMs } from './surroundings.mjs';

const [, , facade, provider, directory, way] = process.argv;
const { openNativeFabric } = await import(facade);
const MiB = 2 ** 20;
const options = { providers: [provider], bindAddress, socketDirectory: directory };
const receiver = await openNativeFabric(options);
const sender = await openNativeFabric(options);
await receiver.createArena({ path: `${directory}/arena`, pageBytes: MiB, pages: 1 });
await sender.createSegment('lent', `${directory}/lent`, 4096);
writeFileSync(`${directory}/segment`, Buffer.alloc(MiB, 1));
await sender.attachSegment('s', `${directory}/segment`);
const grant = await receiver.grant(provider);
const connection = await sender.connect(receiver.endpoints()[0], grant, { timeoutMs });
const item = { segment: 's', sourceOffset: 0, targetOffset: 0, length: MiB };
const first = await connection.write([item]).done;
process.stdout.write(`${JSON.stringify(first)}\n`);
const inFlight = () => connection.write(Array(100_000).fill(item));

switch (way) {
  case 'exit':
    inFlight();
    process.exit(0);
    break;
  case 'throw':
    inFlight();
    throw new Error('on purpose');
  case 'forget':
    // Nothing is in flight: open fabrics alone must not keep a process alive.
    break;
  case 'collect': {
    const write = inFlight();
    write.stop();
    await write.done;
    break;
  }
  default:
    throw new Error(`unknown way ${way}`);
}
