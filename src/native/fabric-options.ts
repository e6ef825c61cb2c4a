/** Options of a native fabric, their defaults and their checks. */
import { availableParallelism } from 'node:os';
import { isWildcard } from '../ports/wildcard.js';
import { KvferryError } from '../protocol/errors.js';
import { type RealProvider, realProviders } from '../protocol/fields.js';

export type NativeProvider = RealProvider;

export const nativeProviders: readonly NativeProvider[] = realProviders.options;

export interface NativeFabricOptions {
  /** Providers to offer and to use, best first. */
  readonly providers: readonly NativeProvider[];
  /** The local address on which libfabric listens, and which peers receive. One address, not a wildcard. */
  readonly bindAddress?: string;
  /** Ports among which `tcp` takes the first free one; both 0: any. */
  readonly tcpPorts?: { readonly first: number; readonly last: number };
  /** Connections that `tcp` makes to each receiver. Undefined: chosen by the number of processors. */
  readonly tcpStreams?: number | undefined;
  /** Whether bytes are encrypted that arrive by `tcp`. A sender with `required` uses no receiver that has it `off`. */
  readonly tcpEncryption?: 'off' | 'required';
  /** Directory of the same-host sockets. Sender and receiver must both see it. */
  readonly socketDirectory?: string;
  /** Users whose processes may connect to the same-host sockets: this user and root, or any. */
  readonly socketUsers?: 'own' | 'any';
  /** Directories below which engines may have their memory. Default: /dev/shm. */
  readonly segmentDirectories?: readonly string[];
  /** Ids of the users whose files may be attached. Default: the user of this process. */
  readonly segmentOwners?: readonly number[] | undefined;
  /** Most bytes of one connection that are posted and not yet delivered. */
  readonly windowBytes?: number;
  /** Largest piece in which a write is posted. */
  readonly sliceBytes?: number;
  /** The NUMA node from which the arena and created segments get their memory. Default: any. */
  readonly numaNode?: number | undefined;
}

export type CheckedOptions = { readonly [Name in keyof NativeFabricOptions]-?: NonNullable<NativeFabricOptions[Name]> };

/** Memory of any NUMA node. */
const ANY_NUMA_NODE = -1;

export const DEFAULT_BIND_ADDRESS = '127.0.0.1';
/** With more streams than processors, they take time from each other. */
const TCP_STREAMS = 4;
const TCP_STREAMS_MAX = 16;
const PROCESSORS_FOR_ONE_STREAM = 2;
const PORT_MAX = 65_535;
const DEFAULT_SEGMENT_DIRECTORIES = ['/dev/shm'];
const DEFAULT_WINDOW_BYTES = 16 * 1024 * 1024;
const DEFAULT_SLICE_BYTES = 4 * 1024 * 1024;

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
    tcpPorts = { first: 0, last: 0 },
    tcpStreams = availableParallelism() <= PROCESSORS_FOR_ONE_STREAM ? 1 : TCP_STREAMS,
    tcpEncryption = 'off',
    socketDirectory = defaultSocketDirectory(),
    socketUsers = 'own',
    segmentDirectories = DEFAULT_SEGMENT_DIRECTORIES,
    segmentOwners = [process.geteuid?.() ?? 0],
    windowBytes = DEFAULT_WINDOW_BYTES,
    sliceBytes = DEFAULT_SLICE_BYTES,
    numaNode = ANY_NUMA_NODE,
  } = options;
  const unknown = providers.find((provider) => !nativeProviders.includes(provider));
  if (unknown !== undefined) {
    const message = `unknown provider ${String(unknown)}: choose from ${nativeProviders.join(', ')}`;
    throw new KvferryError('invalid_configuration', message);
  }
  if (isWildcard(bindAddress)) {
    throw new KvferryError('invalid_configuration', `bindAddress ${bindAddress} is no address that peers can reach`);
  }
  for (const [name, bytes] of Object.entries({ windowBytes, sliceBytes })) {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new KvferryError('invalid_configuration', `${name} must be a positive number of bytes`);
    }
  }
  checkTcp(tcpPorts, tcpStreams);
  const distinct = [...new Set(providers)];
  return {
    providers: distinct,
    bindAddress,
    tcpPorts,
    tcpStreams,
    tcpEncryption,
    socketDirectory,
    socketUsers,
    segmentDirectories,
    segmentOwners,
    windowBytes,
    sliceBytes,
    numaNode,
  };
}

function checkTcp({ first, last }: CheckedOptions['tcpPorts'], streams: number): void {
  const isRange = Number.isInteger(first) && Number.isInteger(last) && first >= 0 && first <= last && last <= PORT_MAX;
  if (!isRange) throw new KvferryError('invalid_configuration', `tcpPorts ${first} to ${last} are no range of ports`);
  if (!Number.isInteger(streams) || streams < 1 || streams > TCP_STREAMS_MAX) {
    throw new KvferryError('invalid_configuration', `tcpStreams ${streams} must be 1 to ${TCP_STREAMS_MAX}`);
  }
}

function defaultSocketDirectory(): string {
  return process.env['XDG_RUNTIME_DIR'] ?? '/tmp';
}
