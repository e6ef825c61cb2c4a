/** The in-memory engine, on a clock that runs as fast as the event loop. */
import type { ClockPort } from '../../src/ports/clock.js';
import { MemoryFabricNetwork } from '../../src/proof/simulation/memory-fabric/network.js';
import type { FabricHarness } from './fabric/fabric-harness.js';

const roomBytes = 2 ** 30;

export function memoryHarness(): FabricHarness {
  const network = new MemoryFabricNetwork(new HastyClock());
  network.roomBytes = roomBytes;
  let fabrics = 0;
  let paths = 0;
  return {
    provider: 'memory',
    open: async () => network.open(`fabric-${++fabrics}`),
    newPath: (name) => `/memory/${name}-${++paths}`,
    writeFile: (path, bytes) => {
      network.files.set(path, bytes.slice());
    },
    scribble: (path, offset, bytes) => file(network, path).set(bytes, offset),
    readFile: (path, region) => {
      const bytes = file(network, path);
      return region === undefined ? bytes.slice() : bytes.slice(region.offset, region.offset + region.length);
    },
    truncate: (path, bytes) => {
      network.files.set(path, file(network, path).slice(0, bytes));
    },
    exists: (path) => network.files.has(path),
    makeDirectory: (path) => {
      network.directories.add(path);
    },
    dispose: () => undefined,
  };
}

function file(network: MemoryFabricNetwork, path: string): Uint8Array {
  const bytes = network.files.get(path);
  if (bytes === undefined) throw new Error(`no file ${path}`);
  return bytes;
}

/** Every delay has passed by the next turn of the event loop. */
class HastyClock implements ClockPort {
  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): NodeJS.Immediate {
    this.#nowMs += delayMs;
    return setImmediate(callback);
  }

  clearTimeout(handle: unknown): void {
    clearImmediate(handle as NodeJS.Immediate);
  }
}
