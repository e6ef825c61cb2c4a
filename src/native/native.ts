/**
 * Loads the addon and declares its exports, in the order of `cc/addon.cc` and `cc/core/engine.h`. node-gyp-build finds it: the
 * one that was compiled here, or else the one that the package brings for this system.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REMEDY = 'build it with `npm rebuild kvferry`, in a checkout with `npm run build:native`';

export interface NativeEngineOptions {
  readonly bindAddress: string;
  readonly socketDirectory: string;
  /** `own` or `any`. */
  readonly socketUsers: string;
  /** Both 0: any port. */
  readonly tcpPorts: { readonly first: number; readonly last: number };
  readonly tcpStreams: number;
  readonly tcpEncrypted: boolean;
  readonly windowBytes: number;
  readonly sliceBytes: number;
  /** How long a fabric thread polls before it sleeps, while a write is in flight. */
  readonly spinMicroseconds: number;
  readonly providers: readonly string[];
  readonly segmentDirectories: readonly string[];
  /** User ids. */
  readonly segmentOwners: readonly number[];
  /** Of the memory that this process creates; -1: any. */
  readonly numaNode: number;
}

/**
 * The records of calls that have ended, in numbers, and their texts. The engine uses the array again for its next call.
 * `completions.ts` reads both.
 */
export type OnCompletions = (records: Float64Array, count: number, texts: readonly string[] | undefined) => void;

/** `file`: device and inode; empty for memory of a device. */
export interface AttachedFile {
  readonly handle: number;
  readonly bytes: number;
  readonly file: string;
}

/**
 * Each call with an `id` ends with one completion of that id. Promises reject with an `Error` that has a `code`. The
 * engine assigns the handles, which are numbers. `provider` is a place in the list of the options.
 */
export interface NativeEngine {
  /** `text`: what both ends of a connection must have in common. Addresses begin with it, up to a colon. */
  open(provider: number, id: number): void;
  createArena(path: string, bytes: number): Promise<void>;
  /** `device`: its UUID, in hexadecimal. Resolves with the IPC handle, in hexadecimal. */
  createDeviceArena(device: string, bytes: number): Promise<string>;
  /** Why bytes that arrive may be missing in the arena; empty when it is whole. Cheap. */
  arenaFault(): string;
  /** `text`: the address. */
  listen(provider: number, id: number): void;
  /** `handle`: the grant; `text`: its token. */
  grant(provider: number, id: number): void;
  revoke(provider: number, id: number, grant: number): void;
  /** `directory`: a place in the list of the options; `name`: the path below it. */
  attachSegment(directory: number, name: string): Promise<AttachedFile>;
  lookAtSegment(directory: number, name: string): Promise<{ file: string; bytes: number }>;
  /** `handle` and `device` in hexadecimal. */
  attachDevice(handle: string, device: string, offset: number, bytes: number): Promise<AttachedFile>;
  /** Creates the file. Detaching the segment removes it. */
  createSegment(path: string, bytes: number): Promise<AttachedFile>;
  detachSegment(segment: number): void;
  /** `handle`: the connection. */
  connect(provider: number, id: number, address: string, token: string, timeoutMs: number): void;
  /**
   * `items` holds six numbers per item: segment, source offset, length, length of a piece, stride, target offset. It is read
   * before the return.
   */
  write(provider: number, id: number, connection: number, items: Float64Array, count: number): void;
  /** `writeId`: the id of the `write` call. */
  stop(provider: number, connection: number, writeId: number): void;
  disconnect(provider: number, id: number, connection: number): void;
  close(): Promise<void>;
}

export interface NativeOffer {
  readonly provider: string;
  readonly domains: readonly string[];
}

export interface NativeModule {
  libfabricVersion(): { version: string; reason: string };
  /** The reason why the libfabric provider is unavailable; empty when it is available. */
  probeProvider(provider: string, bindAddress: string): string;
  /** Every provider that libfabric was built with, with its devices on this host. */
  libfabricOffers(): Promise<NativeOffer[]>;
  /** The CUDA devices of this host. `uuid`: in hexadecimal. `reason`: why there are none. */
  cudaDevices(): Promise<{ reason: string; devices: { uuid: string; name: string }[] }>;
  measureMemcpy(bytes: number, pageBytes: number, directory: string): Promise<number>;
  measureTcpStream(bytes: number): Promise<number>;
  /** The codes of completions, `ok` and error codes of the protocol, at their numbers. */
  readonly codes: readonly string[];
  readonly Engine: new (options: NativeEngineOptions, onCompletions: OnCompletions) => NativeEngine;
}

/** The root of the package, from `src/native`, where tests run this file, and from `dist/src/native`, where it is compiled to. */
const roots = ['../../', '../../../'].map((place) => fileURLToPath(new URL(place, import.meta.url)));

export type LoadedNative = { readonly native: NativeModule } | { readonly reason: string };

let loaded: LoadedNative | undefined;

/** Loads the addon on the first call. Never throws: if loading fails, it returns the reason. */
export function loadNative(): LoadedNative {
  loaded ??= load();
  return loaded;
}

function load(): LoadedNative {
  const root = roots.find((candidate) => existsSync(join(candidate, 'package.json')));
  try {
    const loadFrom = createRequire(import.meta.url)('node-gyp-build') as (directory?: string) => NativeModule;
    return { native: loadFrom(root) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { reason: `the native addon cannot be loaded (${reason}): ${REMEDY}` };
  }
}
