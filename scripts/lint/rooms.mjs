// The folders of the project ("rooms"), and what each room may import. The path of a room is its name. A file belongs to the
// room with the longest matching path. `rooms` lists the other rooms that it may import. `packages` lists npm packages and
// `node:` modules; without `packages` a room may import any.

/** The rooms that the core and its adapters share: the messages, and the interfaces to the outside world. */
const BASE = ['src/protocol', 'src/ports'];
/** What engines are made of, wherever they are: they reach agents by messages and shared memory only. */
const ENGINE = [...BASE, 'src/client'];
const ENGINE_WHY = 'an engine knows agents by their protocol only';

/** A part of the agent, in `src/actors`. `below`: the parts that it may import. No part imports one above it. */
function partOfAgent(packages, ...below) {
  return {
    rooms: [...BASE, 'src/store', 'machines', ...below.map((part) => `src/actors/${part}`)],
    packages,
    why: 'actors reach the world through ports only, and a part of the agent imports the parts below it',
  };
}

export const ROOMS = {
  machines: { rooms: ['src/protocol'], typesOnly: true, packages: ['xstate'], why: 'machines are pure' },
  'src/protocol': { rooms: [], packages: ['zod'], why: 'it describes messages' },
  'src/ports': { rooms: ['src/protocol'], packages: [], why: 'ports are interfaces, and classes that forward to them' },
  'src/store': { rooms: [...BASE, 'machines/page.ts'], packages: [], why: 'the store is pure' },
  'src/actors': { rooms: [], packages: [], why: 'every part of the agent has a line of its own below' },
  'src/actors/observing': { ...partOfAgent(['xstate', 'pino']), rooms: [...partOfAgent([]).rooms, 'src/figures'] },
  'src/actors/running': partOfAgent(['xstate', 'pino'], 'observing'),
  'src/actors/env': partOfAgent(['pino'], 'observing', 'running'),
  'src/actors/peers': partOfAgent(['xstate'], 'observing', 'running', 'env'),
  'src/actors/living': partOfAgent(['xstate'], 'observing', 'running', 'env', 'peers'),
  'src/actors/ranks': partOfAgent(['xstate'], 'observing', 'running', 'env', 'peers'),
  'src/actors/sending': partOfAgent(['xstate'], 'observing', 'running', 'env', 'peers', 'ranks'),
  'src/actors/receiving': partOfAgent(['xstate'], 'observing', 'running', 'env', 'peers', 'ranks'),
  'src/actors/agent': {
    rooms: [...BASE, 'src/store', 'machines', 'src/actors'],
    packages: ['xstate', 'pino', 'zod'],
    why: 'actors reach the world through ports only',
  },
  'src/control': {
    rooms: [...BASE, 'src/figures'],
    packages: [
      '@nats-io/transport-node',
      'node:crypto',
      'node:fs',
      'node:net',
      'node:perf_hooks',
      'node:timers/promises',
    ],
    why: 'it is an adapter of the control port, and clients load it',
  },
  'src/native': {
    rooms: BASE,
    packages: [
      'node:buffer',
      'node:fs',
      'node:fs/promises',
      'node:module',
      'node:os',
      'node:path',
      'node:process',
      'node:url',
    ],
    why: 'it is an adapter of the fabric port',
  },
  'src/sealing': {
    rooms: BASE,
    packages: ['node:crypto'],
    why: 'it decorates the fabric port: its secrets are given to it, so that the simulation repeats itself',
  },
  'src/client': {
    rooms: [...BASE, 'src/control'],
    packages: ['node:fs/promises', 'zod'],
    why: 'engines and routers install and use it without an agent',
  },
  'src/keys': {
    rooms: ['src/protocol', 'src/control'],
    packages: [
      '@nats-io/transport-node',
      '@peculiar/x509',
      'node:crypto',
      'node:fs',
      'node:net',
      'node:path',
      'reflect-metadata',
    ],
    why: 'it makes files from the permissions of the protocol',
  },
  'src/figures': { rooms: [], packages: [], why: 'it is arithmetic on numbers' },
  'src/processes': { rooms: ['src/protocol'], why: 'commands, benchmarks and tests share it' },
  'src/config': { rooms: [...BASE, 'src/figures', 'src/actors'], why: 'it describes options' },
  'src/observe/doctor': {
    rooms: [...BASE, 'src/figures', 'src/client', 'src/config'],
    why: 'it judges a host and a cluster from outside',
  },
  'src/observe/metrics': { rooms: [...BASE, 'src/actors'], why: 'it only looks at an agent' },
  'src/observe/tracing': { rooms: [...BASE, 'src/actors'], why: 'it only looks at an agent' },
  'src/observe/recording': { rooms: [...BASE, 'src/actors'], why: 'it decorates ports' },
  'src/observe/replay': {
    rooms: [...BASE, 'src/actors', 'src/observe/recording'],
    why: 'it runs an agent on a recording',
  },
  'src/observe/inspector': {
    rooms: [...BASE, 'src/client', 'machines', 'src/actors/observing/state-name.ts'],
    why: 'it sees a cluster as any client does',
  },
  'src/observe/inspector/page': {
    rooms: ['src/protocol', 'src/observe/inspector/feed.ts'],
    packages: ['preact'],
    why: 'it runs in a browser',
  },
  'src/proof/failpoints': { rooms: BASE, why: 'it decorates ports' },
  'src/proof/faults': { rooms: [...BASE, 'src/proof/failpoints'], why: 'it decorates ports' },
  'src/proof/simulation': {
    rooms: [
      ...BASE,
      'src/figures',
      'src/actors',
      'src/store',
      'src/client',
      'src/config',
      'src/sealing',
      'src/proof/simulation',
      'machines',
    ],
    why: 'it runs real agents on ports in memory',
  },
  'src/proof/simulation/world/prefill-engine.ts': {
    rooms: [...ENGINE, 'src/proof/simulation/world'],
    why: ENGINE_WHY,
  },
  'src/proof/simulation/world/decode-engine.ts': {
    rooms: [...ENGINE, 'src/proof/simulation/world'],
    why: ENGINE_WHY,
  },
  'src/cli/demo/engines.ts': { rooms: [...ENGINE, 'src/processes', 'src/cli/demo'], why: ENGINE_WHY },
  'src/cli': { rooms: ['src', 'machines'], why: 'it puts the parts together, and nothing imports it' },
  bench: { rooms: ['src', 'machines', 'scripts/docs', '!src/cli'], why: 'it measures the program from outside' },
};

/** Folders that may contain only subfolders. */
export const NO_LOOSE_FILES = ['src', 'src/actors', 'src/observe', 'src/proof', 'src/native/cc'];
/** Exceptions to `NO_LOOSE_FILES`. */
export const LOOSE_FILES = new Set(['src/native/cc/addon.cc']);
