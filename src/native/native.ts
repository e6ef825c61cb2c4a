/**
 * Everything the addon exports, declared once, in the order of `cc/addon.cc` and `cc/engine.h`; and the loading of it.
 * Nothing else in kvferry knows where the addon lives.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Built by this, from the root of the package. */
const buildCommand = 'npx node-gyp rebuild';

/** One thing that was begun with an id and has ended. `code` is `ok` or an error code of the protocol. */
export interface NativeCompletion {
  readonly id: number;
  readonly code: string;
  readonly message: string;
  readonly bytes: number;
  readonly stopped: boolean;
  readonly drained: boolean;
  readonly handle: number;
  readonly text: string;
}

export interface NativeEngineOptions {
  readonly bindAddress: string;
  readonly socketDirectory: string;
  readonly windowBytes: number;
  readonly sliceBytes: number;
  /** How long a fabric thread looks for more before it sleeps, while something is in flight. */
  readonly spinMicroseconds: number;
  readonly providers: readonly string[];
}

/**
 * Calls that take an `id` are answered by one completion with that id; promises reject with an `Error` that has a
 * `code`. Handles are numbers that the engine gave out.
 */
export interface NativeEngine {
  /** `text`: what both ends of a connection must have in common; addresses begin with it, up to a colon. */
  open(provider: string, id: number): void;
  createArena(path: string, bytes: number): Promise<void>;
  /** `text`: the address. */
  listen(provider: string, id: number): void;
  /** `handle`: the grant; `text`: its token. */
  grant(provider: string, id: number): void;
  revoke(provider: string, id: number, grant: number): void;
  attachSegment(path: string): Promise<{ handle: number; bytes: number }>;
  /** Makes the file, which is removed when the segment is detached. */
  createSegment(path: string, bytes: number): Promise<{ handle: number; bytes: number }>;
  detachSegment(segment: number): void;
  /** `handle`: the connection. */
  connect(provider: string, id: number, address: string, token: string, timeoutMs: number): void;
  /** `items` holds four numbers an item: segment, source offset, target offset, length. */
  write(provider: string, id: number, connection: number, items: Float64Array): void;
  /** `writeId` is the id that the write was begun with. */
  stop(provider: string, connection: number, writeId: number): void;
  disconnect(provider: string, id: number, connection: number): void;
  close(): Promise<void>;
}

export interface NativeOffer {
  readonly provider: string;
  readonly domains: readonly string[];
}

export interface NativeModule {
  libfabricVersion(): { version: string; reason: string };
  /** Why the libfabric provider cannot be had; empty when it can. */
  probeProvider(provider: string, bindAddress: string): string;
  /** Every provider that libfabric was built with, and the devices that each finds here. */
  libfabricOffers(): Promise<NativeOffer[]>;
  measureMemcpy(bytes: number, pageBytes: number, directory: string): Promise<number>;
  measureTcpStream(bytes: number): Promise<number>;
  readonly Engine: new (
    options: NativeEngineOptions,
    onCompletions: (completions: readonly NativeCompletion[]) => void,
  ) => NativeEngine;
}

/** Seen from `src/native`, where tests run it, and from `dist/src/native`, where it is compiled to. */
const addonLocations = ['../../build/Release/kvferry_native.node', '../../../build/Release/kvferry_native.node'];

export type LoadedNative = { readonly native: NativeModule } | { readonly reason: string };

let loaded: LoadedNative | undefined;

/** Loads the addon on the first call. Never throws: the answer may be a reason why there is none. */
export function loadNative(): LoadedNative {
  loaded ??= load();
  return loaded;
}

function load(): LoadedNative {
  const paths = addonLocations.map((location) => fileURLToPath(new URL(location, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) return { reason: `the native addon is not built; build it with: ${buildCommand}` };
  try {
    return { native: createRequire(import.meta.url)(path) as NativeModule };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { reason: `the native addon cannot be loaded (${reason}); rebuild it with: ${buildCommand}` };
  }
}
