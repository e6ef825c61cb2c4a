/** Options of a native fabric, their defaults and their checks. */
import { availableParallelism } from 'node:os';
import type { Provider } from '../ports/fabric.js';
import { KvferryError } from '../protocol/errors.js';

export type NativeProvider = Exclude<Provider, 'memory'>;

export const nativeProviders: readonly NativeProvider[] = ['same-host', 'tcp', 'libfabric-tcp', 'net', 'verbs', 'efa'];

export interface NativeFabricOptions {
  /** Providers to offer and to use, best first. */
  readonly providers: readonly NativeProvider[];
  /** The local address on which libfabric listens, and which peers receive. One address, not a wildcard. */
  readonly bindAddress?: string;
  /** Directory of the same-host sockets. Sender and receiver must both see it. */
  readonly socketDirectory?: string;
  /** Most bytes of one connection that are posted and not yet delivered. */
  readonly windowBytes?: number;
  /** Largest piece in which a write is posted. */
  readonly sliceBytes?: number;
  /** The NUMA node from which the arena and created segments get their memory. Default: any. */
  readonly numaNode?: number;
}

export type CheckedOptions = Required<NativeFabricOptions>;

/** Memory of any NUMA node. */
const ANY_NUMA_NODE = -1;

export const DEFAULT_BIND_ADDRESS = '127.0.0.1';
const DEFAULT_WINDOW_BYTES = 16 * 1024 * 1024;
const DEFAULT_SLICE_BYTES = 4 * 1024 * 1024;
const WILDCARD_ADDRESSES: readonly string[] = ['0.0.0.0', '::'];

/**
 * Fabric threads that spin answer a few microseconds earlier. With few processors, they take time from the threads that
 * copy: on two processors a third of the same-host throughput.
 */
const SPIN_MICROSECONDS = 20;
const PROCESSORS_TO_SPIN = 4;

/** How long a fabric thread polls before it sleeps, while a write is in flight. */
export function spinMicroseconds(): number {
  return availableParallelism() >= PROCESSORS_TO_SPIN ? SPIN_MICROSECONDS : 0;
}

/** Throws `invalid_configuration`. */
export function checkedOptions(options: NativeFabricOptions): CheckedOptions {
  const {
    providers,
    bindAddress = DEFAULT_BIND_ADDRESS,
    socketDirectory = defaultSocketDirectory(),
    windowBytes = DEFAULT_WINDOW_BYTES,
    sliceBytes = DEFAULT_SLICE_BYTES,
    numaNode = ANY_NUMA_NODE,
  } = options;
  const unknown = providers.find((provider) => !nativeProviders.includes(provider));
  if (unknown !== undefined) throw new KvferryError('invalid_configuration', `unknown provider ${String(unknown)}`);
  if (WILDCARD_ADDRESSES.includes(bindAddress)) {
    throw new KvferryError('invalid_configuration', `bindAddress ${bindAddress} is no address that peers can reach`);
  }
  for (const [name, bytes] of Object.entries({ windowBytes, sliceBytes })) {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new KvferryError('invalid_configuration', `${name} must be a positive number of bytes`);
    }
  }
  return { providers: [...new Set(providers)], bindAddress, socketDirectory, windowBytes, sliceBytes, numaNode };
}

function defaultSocketDirectory(): string {
  return process.env['XDG_RUNTIME_DIR'] ?? '/tmp';
}
