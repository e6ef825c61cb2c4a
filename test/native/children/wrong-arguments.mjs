/**
 * Calls every function and method of the addon with one argument of another kind, in turn, and then checks that the engine
 * still works. Prints the calls that were not refused by an error with a code. Arguments: path of the addon, directory.
 */
import { createRequire } from 'node:module';

const [, , addon, directory] = process.argv;
const native = createRequire(import.meta.url)(addon);
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

const detached = new ArrayBuffer(64);
structuredClone(detached, { transfer: [detached] });
const others = {
  undefined,
  null: null,
  true: true,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-1': -1,
  '-0.5': -0.5,
  0.5: 0.5,
  '2^53': 2 ** 53,
  '2^64': 2 ** 64,
  '1e308': 1e308,
  '5n': 5n,
  '2n^70n': 2n ** 70n,
  text: 'text',
  'a NUL': '/dev/shm/\0x',
  'an empty text': '',
  symbol: Symbol('s'),
  function: () => 1,
  object: {},
  date: new Date(0),
  proxy: new Proxy([], {}),
  array: [1, 2, 3, 4],
  'array of other kinds': [{}, null],
  'array of boxed text': [Object('tcp')],
  'many texts': new Array(100).fill('tcp'),
  'a long array': new Array(2 ** 32 - 1),
  Uint8Array: new Uint8Array(32),
  Float32Array: new Float32Array(8),
  BigUint64Array: new BigUint64Array(8),
  DataView: new DataView(new ArrayBuffer(64)),
  ArrayBuffer: new ArrayBuffer(64),
  'a detached buffer': detached,
  'boxed number': Object(1),
  'boxed text': Object('text'),
  'an object that throws': {
    valueOf() {
      throw new Error('valueOf was called');
    },
    get first() {
      throw Object.assign(new Error('a getter was called'), { code: 'getter' });
    },
  },
};

const isText = (name) => ['text', 'a NUL', 'an empty text'].includes(name);
const whole = { accepts: () => false };
const text = { accepts: isText };
const path = { accepts: (name) => name === 'text' };
const flag = { accepts: (name) => name === 'true' };
const object = { accepts: () => false };
const callable = { accepts: (name) => name === 'function' };
const numbers = { accepts: () => false };
const hex = { accepts: () => false };

const options = {
  bindAddress: [text, '127.0.0.1'],
  socketDirectory: [path, directory],
  socketUsers: [text, 'own'],
  tcpPorts: [object, { first: 0, last: 0 }],
  tcpStreams: [whole, 1],
  tcpEncrypted: [flag, false],
  windowBytes: [whole, 65536],
  sliceBytes: [whole, 4096],
  spinMicroseconds: [whole, 0],
  // -1 stands for any node.
  numaNode: [{ accepts: (name) => name === '-1' }, -1],
  segmentDirectories: [{ accepts: () => false }, [directory]],
  segmentOwners: [{ accepts: (name) => name === 'array' }, [process.geteuid()]],
  providers: [{ accepts: () => false }, ['same-host', 'tcp']],
};
const right = Object.fromEntries(Object.entries(options).map(([name, [, value]]) => [name, value]));

const waiting = new Map();
function onCompletions(records, count) {
  for (let at = 0; at < count; at += 1) waiting.get(records[at * 5])?.(native.codes[records[at * 5 + 1]]);
}
const engine = new native.Engine(right, onCompletions);
let lastId = 1000;
function completed(begin) {
  const id = ++lastId;
  const promise = new Promise((resolve) => waiting.set(id, resolve));
  begin(id);
  return promise;
}

const { handle } = await engine.createSegment(`${directory}/segment`, 4096);
const provider = [whole, 0];
const id = [whole, 1];
const anAddress = [text, 'no-address'];
const items = new Float64Array([handle, 0, 8, 8, 8, 0]);
const methods = {
  open: [provider, id],
  createArena: [
    [path, `${directory}/another-arena`],
    [whole, 4096],
  ],
  createDeviceArena: [
    [hex, '00'.repeat(16)],
    [whole, 4096],
  ],
  listen: [provider, id],
  grant: [provider, id],
  revoke: [provider, id, [whole, 1]],
  attachSegment: [
    [whole, 0],
    [path, 'segment'],
  ],
  lookAtSegment: [
    [whole, 0],
    [path, 'segment'],
  ],
  attachDevice: [
    [hex, '00'.repeat(64)],
    [hex, '00'.repeat(16)],
    [whole, 0],
    [whole, 4096],
  ],
  createSegment: [
    [path, `${directory}/another`],
    [whole, 4096],
  ],
  detachSegment: [[whole, 99]],
  connect: [provider, id, anAddress, [text, '1:2'], [whole, 10]],
  write: [provider, id, [whole, 1], [numbers, items], [whole, 1]],
  stop: [provider, [whole, 1], [whole, 1]],
  disconnect: [provider, id, [whole, 1]],
};
const functions = {
  probeProvider: [
    [text, 'tcp'],
    [text, '127.0.0.1'],
  ],
  measureMemcpy: [
    [whole, 4096],
    [whole, 4096],
    [path, directory],
  ],
  measureTcpStream: [[whole, 4096]],
};

let refused = 0;
const accepted = [];
const withoutCode = [];

/** What the call was refused with, or undefined. */
async function refusal(call) {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

async function expectRefused(what, call) {
  const error = await refusal(call);
  if (error === undefined) accepted.push(what);
  else if (error instanceof Error && typeof error.code === 'string') refused += 1;
  else withoutCode.push(`${what}: ${String(error)}`);
}

async function tryOthers(name, places, call) {
  const values = places.map(([, value]) => value);
  for (const [place, [kind]] of places.entries()) {
    for (const [other, value] of Object.entries(others)) {
      if (kind.accepts(other)) continue;
      await expectRefused(`${name}, argument ${place}: ${other}`, () => call(values.with(place, value)));
    }
    await expectRefused(`${name}, without argument ${place}`, () => call(values.slice(0, place)));
  }
}

for (const [name, places] of Object.entries(methods)) {
  await tryOthers(name, places, (values) => engine[name](...values));
  for (const self of [{}, undefined, native, Object.create(engine)]) {
    const error = await refusal(() => Reflect.apply(engine[name], self, []));
    if (!(error instanceof TypeError)) accepted.push(`${name} of another object`);
  }
}
for (const [name, places] of Object.entries(functions)) {
  await tryOthers(name, places, (values) => native[name](...values));
}
for (const [name, [kind]] of Object.entries(options)) {
  for (const [other, value] of Object.entries(others)) {
    if (kind.accepts(other)) continue;
    await expectRefused(
      `option ${name}: ${other}`,
      () => new native.Engine({ ...right, [name]: value }, onCompletions),
    );
  }
}
await tryOthers(
  'Engine',
  [
    [object, right],
    [callable, onCompletions],
  ],
  (values) => new native.Engine(...values),
);
for (const number of [Number.NaN, -1, 0.5, 1e308, 2 ** 53, 2 ** 64]) {
  for (let at = 0; at < 4; at += 1) {
    const wrong = items.with(at, number);
    await expectRefused(`write, number ${at}: ${number}`, () => engine.write(0, 1, 1, wrong, 1));
  }
}
await expectRefused('write, an unknown segment', () => engine.write(0, 1, 1, items.with(0, 77), 1));
await expectRefused('write, more items than there are', () => engine.write(0, 1, 1, items, 2));
await expectRefused('listen without an arena', () => engine.listen(0, 1));
await expectRefused('an unknown provider', () => new native.Engine({ ...right, providers: ['none'] }, onCompletions));
await expectRefused('a place without a provider', () => engine.open(2, 1));
say({ moreThanThousandRefused: refused > 1000, accepted, withoutCode });

// The engine has taken no harm.
await engine.createArena(`${directory}/arena`, 4096);
const after = [];
for (const place of [0, 1]) after.push(await completed((call) => engine.listen(place, call)));
for (const repeat of [(call) => engine.open(0, call), (call) => engine.listen(0, call)]) {
  after.push(await completed(repeat), await completed(repeat));
}
await engine.close();
for (const call of [() => engine.open(0, 1), () => engine.close(), () => engine.detachSegment(1)]) {
  after.push((await refusal(call))?.code ?? 'taken');
}
say(after);
