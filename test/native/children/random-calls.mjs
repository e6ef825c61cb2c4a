/**
 * Calls the addon at random, with right and wrong arguments, and closes engines in the middle. At the end a new engine works.
 * Prints a line then. Arguments: path of the addon, directory, seed, calls.
 */
import { createRequire } from 'node:module';

const [, , addon, directory, seed, calls] = process.argv;
const native = createRequire(import.meta.url)(addon);
let state = Number(seed) >>> 0;
/** 0 ≤ value < 1, by the seed. */
function next() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
const pick = (values) => values[Math.floor(next() * values.length)];
const edges = [0, 1, 2, 8, 4095, 4096, 4097, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const wrong = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 64, 'x', null, undefined, 5n, {}, [], () => 1];
const whole = () => (next() < 0.9 ? pick(edges) : pick(wrong));
/** So large that it is refused, or so small that many do not fill the memory of this machine. */
const size = () => (next() < 0.8 ? pick([0, 1, 4095, 4096, 65536, 2 ** 53 - 1]) : pick(wrong));
const small = () => (next() < 0.95 ? Math.floor(next() * 3) : whole());
const paths = ['segment', 'arena', 'none', '', '..', 'a\0b', 'x'.repeat(300)];
const path = () => (next() < 0.9 ? `${directory}/${pick(paths)}` : pick(wrong));
const name = () => (next() < 0.9 ? pick(paths) : path());
const fieldOf = () =>
  pick(['', '0', '1', 'ff', 'zz', 'kvferry-tcp-1', '7f000001', '3132372e302e302e31', 'f'.repeat(40)]);
const fields = () => Array.from({ length: Math.floor(next() * 6) }, fieldOf).join(':');
const address = () => (next() < 0.9 ? pick([...addresses, fields()]) : pick(wrong));
const hex = () => (next() < 0.9 ? 'ab'.repeat(pick([0, 15, 16, 64, 65])) : pick(wrong));
const items = () => {
  const numbers = Float64Array.from({ length: Math.floor(next() * 40) }, () => (next() < 0.9 ? small() : pick(edges)));
  return next() < 0.95 ? numbers : pick([...wrong, new Uint8Array(32)]);
};
const arguments_ = {
  open: [small, whole],
  createArena: [path, size],
  createDeviceArena: [hex, size],
  arenaFault: [],
  listen: [small, whole],
  grant: [small, whole],
  revoke: [small, whole, small],
  attachSegment: [small, name],
  lookAtSegment: [small, name],
  attachDevice: [hex, hex, size, size],
  createSegment: [path, size],
  detachSegment: [small],
  connect: [small, whole, address, address, () => Math.floor(next() * 20)],
  write: [small, whole, small, items, small],
  stop: [small, small, small],
  disconnect: [small, whole, small],
};
const names = Object.keys(arguments_);
const addresses = ['', ':', ':::'];
const options = {
  ...{ bindAddress: '127.0.0.1', socketDirectory: directory, socketUsers: 'own', tcpPorts: { first: 0, last: 0 } },
  ...{ tcpStreams: 2, tcpEncrypted: false, windowBytes: 4096, sliceBytes: 512, spinMicroseconds: 0, numaNode: -1 },
  ...{ segmentDirectories: [directory], segmentOwners: [process.geteuid()] },
  providers: ['same-host', 'tcp', 'libfabric-tcp'],
};
// Addresses and tokens come back and are used again.
const makeEngine = () =>
  new native.Engine(options, (_records, _count, texts) => {
    addresses.push(...(texts ?? []));
    addresses.splice(0, Math.max(0, addresses.length - 50));
  });

const pending = [];
let engine = makeEngine();
for (let call = 0; call < Number(calls); call += 1) {
  const name = pick(names);
  try {
    const result = engine[name](...arguments_[name].map((make) => make()));
    if (result instanceof Promise) pending.push(result.catch(() => undefined));
  } catch {
    // A refusal. `arguments.test.ts` looks at these.
  }
  if (next() < 0.02) await new Promise((resolve) => setImmediate(resolve));
  if (next() < 0.005) {
    pending.push(engine.close().catch(() => undefined));
    engine = makeEngine();
  }
}
await Promise.all([...pending, engine.close()]);
const last = makeEngine();
last.open(0, 1);
await last.close();
process.stdout.write('"alive"\n');
