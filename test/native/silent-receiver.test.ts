/**
 * Receivers that owe an answer and are silent: after ten seconds the sender gives the connection up, so that its caller can try
 * another provider. A receiver that makes progress is waited for. All run at once, because each takes more than ten seconds.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NativeProvider } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricConnection, FabricEndpoint, FabricGrant, WriteOutcome } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { bindAddress, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { Child, CompiledFacade } from './children.js';
import { BYTES, MIB, onFrames, senderTo, welcome } from './tcp-false-receiver.js';
import { ANSWERS, answer } from './tcp-wire.js';

const SECOND_MS = 1000;
/** More than the time for which a receiver may be silent. */
const LONG_MS = 12 * SECOND_MS;
const HEX = 16;
/** Of `children/send.mjs`: so many writes at once. */
const CHILD_WRITES = 64;
const CHILD_BYTES = 1000;

type Behaviour = (socket: Socket, received: () => number) => void;

/** How a write ended, and the receiver as messages name it. */
interface Ending {
  readonly outcome: WriteOutcome;
  readonly receiver: string;
}

const endings: (() => Promise<void>)[] = [];
const atEnd = (end: () => Promise<void>) => void endings.push(end);
const overLibfabric = (['libfabric-tcp', 'net'] as const).filter((provider) => whyNot(provider) === undefined);
let facade: CompiledFacade;

const atPort = (port: number) => `127.0.0.1 port ${port}`;
const done = (ticket: bigint) => answer(ANSWERS.DONE, ticket);
const written = (connection: FabricConnection, length: number) =>
  connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length }]).done;

function newDirectory(bytes: number): string {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  atEnd(async () => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'segment'), pattern('silent', bytes));
  return directory;
}

/** One write, in one frame. */
async function writtenTo(behave: Behaviour, length: number): Promise<Ending> {
  const world = await senderTo(behave, { sliceBytes: length }, atEnd);
  const connection = await world.connect(world.endpoint);
  return { outcome: await written(connection, length), receiver: atPort(world.port) };
}

/** Takes a mebibyte a second, and answers. */
const takingSlowly: Behaviour = (socket, received) => {
  let allowed = 0;
  const turns = setInterval(() => {
    allowed += MIB;
    socket.resume();
  }, SECOND_MS);
  socket.on('data', () => received() > allowed && socket.pause());
  socket.on('close', () => clearInterval(turns));
  onFrames(socket, (ticket) => socket.write(done(ticket)));
  socket.write(welcome);
};

async function silentOnOneStream(): Promise<Ending> {
  let streams = 0;
  const behave: Behaviour = (socket) => {
    streams += 1;
    if (streams === 1) onFrames(socket, (ticket) => socket.write(done(ticket)));
    socket.write(welcome);
  };
  const world = await senderTo(behave, { tcpStreams: 2 }, atEnd);
  const connection = await world.connect(world.endpoint);
  // The second stream gets its first frame as soon as it is open.
  let outcome = await written(connection, BYTES);
  while (outcome.status === 'delivered') outcome = await written(connection, BYTES);
  return { outcome: { ...outcome, bytes: 0 }, receiver: atPort(world.port) };
}

/** A receiver in a process of its own, which stops before the second write. */
async function stopped(provider: NativeProvider): Promise<Ending> {
  const directory = newDirectory(MIB);
  const child = new Child('receive.mjs', [facade.path, provider, directory]);
  const sender = await openNativeFabric({ bindAddress, providers: [provider], socketDirectory: directory });
  atEnd(async () => {
    await child.kill();
    await sender.close();
  });
  const { endpoint, grant } = await child.line<{ endpoint: FabricEndpoint; grant: FabricGrant }>();
  await sender.attachSegment('s', join(directory, 'segment'));
  const connection = await sender.connect(endpoint, grant, { timeoutMs: patient(10_000) });
  expect(await written(connection, MIB)).toEqual({ status: 'delivered', bytes: MIB });
  await child.stop();
  const outcome = await written(connection, MIB);
  child.continue();
  return { outcome, receiver: nameOf(endpoint) };
}

/** As messages of the addon name it. */
function nameOf({ provider, address }: FabricEndpoint): string {
  const [wire = '', , third = '', fourth = ''] = address.split(':');
  if (provider === 'tcp') return atPort(Number.parseInt(third, HEX));
  return provider === 'same-host' ? `socket ${Buffer.from(fourth, 'hex').toString()}` : wire;
}

/** A sender in a process of its own, which stops while it is owed answers. They come when it runs again. */
async function stoppedSender(): Promise<unknown> {
  const tickets: bigint[] = [];
  let answerAll = () => {};
  let allOwed = () => {};
  const owed = new Promise<void>((resolve) => {
    allOwed = resolve;
  });
  const behave: Behaviour = (socket) => {
    onFrames(socket, (ticket) => tickets.push(ticket) === CHILD_WRITES && allOwed());
    answerAll = () => void socket.write(Buffer.concat(tickets.map(done)));
    socket.write(welcome);
  };
  const world = await senderTo(behave, {}, atEnd);
  const args = [
    facade.path,
    'tcp',
    newDirectory(CHILD_BYTES),
    JSON.stringify(world.endpoint),
    JSON.stringify(world.grant),
  ];
  const child = new Child('send.mjs', args);
  atEnd(async () => void (await child.kill()));
  await owed;
  await child.stop();
  await delay(LONG_MS);
  child.continue();
  await delay(2 * SECOND_MS);
  answerAll();
  return child.line();
}

const scenes = {
  answersNothing: () => writtenTo((socket) => void socket.write(welcome), MIB),
  takesNothing: () => writtenTo((socket) => void socket.pause().write(welcome), BYTES),
  takesSlowly: () => writtenTo(takingSlowly, BYTES),
  silentOnOneStream,
  stoppedOverTcp: () => stopped('tcp'),
  stoppedOnSameHost: () => stopped('same-host'),
  stoppedOverLibfabric: () => Promise.all(overLibfabric.map(stopped)),
  stoppedSender,
};
let results: { readonly [Name in keyof typeof scenes]: Awaited<ReturnType<(typeof scenes)[Name]>> };

beforeAll(async () => {
  facade = new CompiledFacade();
  const names = Object.keys(scenes) as (keyof typeof scenes)[];
  const ended = await Promise.all(names.map(async (name) => [name, await scenes[name]()]));
  results = Object.fromEntries(ended);
}, patient(60_000));

afterAll(async () => {
  for (const end of endings.reverse()) await end();
  facade[Symbol.dispose]();
});

function lost({ receiver }: Ending, silence: string): Ending {
  const message = `${receiver}: ${silence}`;
  return { receiver, outcome: { status: 'failed', code: 'connection_lost', bytes: 0, drained: false, message } };
}
const NO_BYTE = 'the receiver took no byte and answered no frame for 10 s: check its process, and the network between';
const NO_ANSWER =
  'the receiver answered nothing for 10 s: check its process, and the network between (asking the receiver: it did not answer)';
const NO_COPY = 'the receiver answered no copy for 10 s: check its process';

test.each([
  ['it answers nothing', 'answersNothing'],
  ['it takes nothing', 'takesNothing'],
  ['one of its streams is silent', 'silentOnOneStream'],
  ['its process is stopped', 'stoppedOverTcp'],
] as const)('T27: tcp, %s → connection_lost after ten seconds, not drained', (_, scene) => {
  expect(results[scene]).toEqual(lost(results[scene], NO_BYTE));
});

test('T27: same-host, its process is stopped → connection_lost, not drained', () => {
  expect(results.stoppedOnSameHost).toEqual(lost(results.stoppedOnSameHost, NO_COPY));
});

test.skipIf(overLibfabric.length === 0)('T27: libfabric, its process is stopped → connection_lost, not drained', () => {
  const { stoppedOverLibfabric } = results;
  expect(stoppedOverLibfabric).toEqual(stoppedOverLibfabric.map((ending) => lost(ending, NO_ANSWER)));
});

test('tcp, a frame takes more than ten seconds and goes on → delivered', () => {
  expect(results.takesSlowly.outcome).toEqual({ status: 'delivered', bytes: BYTES });
});

test('tcp, the sender itself was stopped for longer → delivered', () => {
  expect(results.stoppedSender).toEqual({ status: 'delivered', bytes: CHILD_WRITES * CHILD_BYTES });
});
