/**
 * The fabric port on the native addon.
 *
 * The addon's threads do all the work; this side keeps names (segments, grants, connections), checks arguments, turns
 * completion records into promises and native errors into `KvferryError`. No byte of KV passes through here.
 *
 * Ownership: nothing that the addon holds may refer to a fabric, or a forgotten fabric could not be collected; the
 * completion callback therefore closes over a table only.
 */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';
import type {
  ArenaOptions,
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  FabricWrite,
  FabricWriteErrorCode,
  Provider,
  UnavailableProvider,
  WriteItem,
  WriteOutcome,
} from '../ports/fabric.js';
import { type ErrorCode, errorCodes, KvferryError } from '../protocol/errors.js';
import { loadNative, type NativeCompletion, type NativeEngine, type NativeModule, type NativeOffer } from './native.js';

export type NativeProvider = Exclude<Provider, 'memory'>;

const nativeProviders: readonly NativeProvider[] = ['same-host', 'tcp', 'net', 'verbs'];

export interface NativeFabricOptions {
  /** What to offer and to use, best first. */
  readonly providers: readonly NativeProvider[];
  /** The local address that libfabric listens on and that peers are given: one address, not a wildcard. */
  readonly bindAddress?: string;
  /** Where the same-host path puts its socket. Both sides must see the same directory. */
  readonly socketDir?: string;
  /** Bytes posted and not yet delivered, a connection. */
  readonly windowBytes?: number;
  /** Writes are posted in pieces of at most this size. */
  readonly sliceBytes?: number;
}

const defaultBindAddress = '127.0.0.1';
const defaultWindowBytes = 16 * 1024 * 1024;
const defaultSliceBytes = 4 * 1024 * 1024;

const wildcardAddresses: readonly string[] = ['0.0.0.0', '::'];
const numbersPerItem = 4;

/**
 * Fabric threads that spin answer a few microseconds earlier. Where they share few processors with the threads that
 * copy, they cost more than that: on two processors a third of the same-host throughput.
 */
const spinMicrosecondsWithProcessors = 20;
const processorsToSpin = 4;

function spinMicroseconds(): number {
  return availableParallelism() >= processorsToSpin ? spinMicrosecondsWithProcessors : 0;
}

function defaultSocketDir(): string {
  return process.env['XDG_RUNTIME_DIR'] ?? '/tmp';
}

export interface NativeStatus {
  /** Is the addon built, and does it load? */
  readonly addon: boolean;
  /** Version of the libfabric that was found. */
  readonly libfabric: string | null;
  /** Why the addon or libfabric is missing. */
  readonly reason?: string;
  readonly providers: readonly NativeProvider[];
  readonly unavailable: readonly UnavailableProvider[];
}

/** What could be opened here. Opens libfabric providers for a moment, nothing else. */
export function nativeStatus(bindAddress: string = defaultBindAddress): NativeStatus {
  const loaded = loadNative();
  if ('reason' in loaded) {
    const unavailable = nativeProviders.map((provider) => ({ provider, reason: loaded.reason }));
    return { addon: false, libfabric: null, reason: loaded.reason, providers: [], unavailable };
  }
  const { version, reason } = loaded.native.libfabricVersion();
  const providers: NativeProvider[] = [];
  const unavailable: UnavailableProvider[] = [];
  for (const provider of nativeProviders) {
    const why = provider === 'same-host' ? '' : loaded.native.probeProvider(provider, bindAddress);
    if (why === '') providers.push(provider);
    else unavailable.push({ provider, reason: why });
  }
  return {
    addon: true,
    libfabric: version === '' ? null : version,
    ...(reason === '' ? {} : { reason }),
    providers,
    unavailable,
  };
}

/** What libfabric itself offers, also what kvferry makes no use of. Rejects `provider_unavailable` and `fabric_error`. */
export async function libfabricOffers(): Promise<readonly NativeOffer[]> {
  const loaded = loadNative();
  if ('reason' in loaded) throw new KvferryError('provider_unavailable', loaded.reason);
  try {
    return await loaded.native.libfabricOffers();
  } catch (error) {
    throw fromRejection(error);
  }
}

/**
 * Starts a fabric. A provider that cannot be had is listed in `unavailable()`. Rejects `provider_unavailable` when there
 * is no addon, and `invalid_configuration`.
 */
export async function openNativeFabric(options: NativeFabricOptions): Promise<FabricPort> {
  const loaded = loadNative();
  if ('reason' in loaded) throw new KvferryError('provider_unavailable', loaded.reason);
  const fabric = new NativeFabric(loaded.native, checked(options));
  await fabric.open();
  return fabric;
}

type CheckedOptions = Required<NativeFabricOptions>;

function checked(options: NativeFabricOptions): CheckedOptions {
  const {
    providers,
    bindAddress = defaultBindAddress,
    socketDir = defaultSocketDir(),
    windowBytes = defaultWindowBytes,
    sliceBytes = defaultSliceBytes,
  } = options;
  const unknown = providers.find((provider) => !nativeProviders.includes(provider));
  if (unknown !== undefined) throw new KvferryError('invalid_configuration', `unknown provider ${String(unknown)}`);
  if (wildcardAddresses.includes(bindAddress)) {
    throw new KvferryError('invalid_configuration', `bindAddress ${bindAddress} is no address that peers can reach`);
  }
  for (const [name, bytes] of Object.entries({ windowBytes, sliceBytes })) {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new KvferryError('invalid_configuration', `${name} must be a positive number of bytes`);
    }
  }
  return { providers: [...new Set(providers)], bindAddress, socketDir, windowBytes, sliceBytes };
}

/** The one place where what the addon says becomes an error class. */
function toKvferryError(code: string, message: string, cause?: unknown): KvferryError {
  const known = (errorCodes as readonly string[]).includes(code) ? (code as ErrorCode) : 'internal';
  return new KvferryError(known, message, { cause });
}

function fromRejection(error: unknown): KvferryError {
  if (error instanceof KvferryError) return error;
  const { code = 'internal', message = String(error) } = error as { code?: string; message?: string };
  return toKvferryError(code, message, error);
}

type Pending = Map<number, (completion: NativeCompletion) => void>;

const writeErrorCodes: readonly FabricWriteErrorCode[] = [
  'write_rejected',
  'connection_lost',
  'segment_invalid',
  'fabric_error',
];

function toOutcome(completion: NativeCompletion): WriteOutcome {
  const { bytes, drained, message } = completion;
  if (completion.code === 'ok') {
    return completion.stopped ? { status: 'stopped', bytes, drained } : { status: 'delivered', bytes };
  }
  // A fabric that is closing ends its connections; any other code would be new to callers.
  const code =
    completion.code === 'closed'
      ? 'connection_lost'
      : (writeErrorCodes.find((known) => known === completion.code) ?? 'fabric_error');
  return { status: 'failed', bytes, drained, code, message };
}

function failedWrite(code: FabricWriteErrorCode, message: string): FabricWrite {
  const outcome: WriteOutcome = { status: 'failed', bytes: 0, drained: true, code, message };
  return { done: Promise.resolve(outcome), stop: () => undefined };
}

interface AttachedSegment {
  readonly handle: number;
  readonly writes: Set<Promise<WriteOutcome>>;
  detaching: boolean;
}

interface Granted {
  readonly provider: Provider;
  readonly handle: number;
}

/** Unique in the process, which may hold several fabrics. */
let lastGrant = 0;

class NativeFabric implements FabricPort {
  readonly #native: NativeModule;
  readonly #options: CheckedOptions;
  readonly #engine: NativeEngine;
  readonly #pending: Pending = new Map();
  #lastId = 0;

  /** What both ends must have in common, for each provider that is open. */
  readonly #wires = new Map<Provider, string>();
  readonly #unavailable: UnavailableProvider[] = [];
  readonly #endpoints: FabricEndpoint[] = [];
  readonly #grants = new Map<string, Granted>();
  /** A name is taken from the moment somebody asks for it; `undefined` while it is being attached. */
  readonly #segments = new Map<string, AttachedSegment | undefined>();
  #arenaBytes: number | undefined;
  #closing: Promise<void> | undefined;

  constructor(native: NativeModule, options: CheckedOptions) {
    this.#native = native;
    this.#options = options;
    const pending = this.#pending;
    this.#engine = new native.Engine({ ...options, spinMicroseconds: spinMicroseconds() }, (completions) => {
      for (const completion of completions) {
        const resolve = pending.get(completion.id);
        pending.delete(completion.id);
        resolve?.(completion);
      }
    });
  }

  async open(): Promise<void> {
    for (const provider of this.#options.providers) {
      try {
        const { text } = await this.#call((id) => this.#engine.open(provider, id));
        this.#wires.set(provider, text);
      } catch (error) {
        this.#unavailable.push({ provider, reason: fromRejection(error).message });
      }
    }
  }

  endpoints(): readonly FabricEndpoint[] {
    return [...this.#endpoints];
  }

  unavailable(): readonly UnavailableProvider[] {
    return [...this.#unavailable];
  }

  async createArena(options: ArenaOptions): Promise<void> {
    this.#requireOpen();
    const { path, pageBytes, pages } = options;
    const bytes = pageBytes * pages;
    const sized = [pageBytes, pages, bytes].every((size) => Number.isSafeInteger(size) && size > 0);
    if (!sized) throw new KvferryError('arena_unavailable', `arena ${path}: ${pages} pages of ${pageBytes} bytes`);
    if (!isAbsolute(path)) throw new KvferryError('arena_unavailable', `arena ${path}: the path is not absolute`);
    if (this.#arenaBytes !== undefined) {
      throw new KvferryError('arena_unavailable', `arena ${path}: this process has an arena already`);
    }
    this.#arenaBytes = bytes;
    try {
      await this.#engine.createArena(path, bytes);
    } catch (error) {
      this.#arenaBytes = undefined;
      throw fromRejection(error);
    }
    for (const provider of this.#wires.keys()) {
      try {
        const { text } = await this.#call((id) => this.#engine.listen(provider, id));
        this.#endpoints.push({ provider, detail: this.#detail(provider), address: text });
      } catch (error) {
        this.#requireOpen();
        this.#wires.delete(provider);
        this.#unavailable.push({ provider, reason: fromRejection(error).message });
      }
    }
  }

  async grant(provider: Provider): Promise<FabricGrant> {
    this.#requireOpen();
    if (!this.#endpoints.some((endpoint) => endpoint.provider === provider)) {
      throw new KvferryError('provider_unavailable', `${provider} is not offered by this fabric`);
    }
    const { handle, text } = await this.#call((id) => this.#engine.grant(provider, id));
    const id = `${provider}-${++lastGrant}`;
    this.#grants.set(id, { provider, handle });
    return { id, provider, token: text, arenaBytes: this.#arenaBytes ?? 0 };
  }

  async revoke(grantId: string): Promise<void> {
    const granted = this.#grants.get(grantId);
    if (granted === undefined || this.#closing !== undefined) return this.#closing;
    await this.#call((id) => this.#engine.revoke(granted.provider, id, granted.handle));
    this.#grants.delete(grantId);
  }

  async attachSegment(name: string, path: string): Promise<{ readonly bytes: number }> {
    return this.#adoptSegment(name, () => this.#engine.attachSegment(path));
  }

  async createSegment(name: string, path: string, bytes: number): Promise<void> {
    if (!isSize(bytes) || bytes === 0) throw new KvferryError('arena_unavailable', `segment ${name}: ${bytes} bytes`);
    if (!isAbsolute(path)) throw new KvferryError('arena_unavailable', `segment ${name}: ${path} is not absolute`);
    await this.#adoptSegment(name, () => this.#engine.createSegment(path, bytes));
  }

  async #adoptSegment(
    name: string,
    begin: () => Promise<{ handle: number; bytes: number }>,
  ): Promise<{ readonly bytes: number }> {
    this.#requireOpen();
    if (this.#segments.has(name)) throw new KvferryError('segment_exists', `segment ${name} is attached already`);
    this.#segments.set(name, undefined);
    try {
      const { handle, bytes } = await begin();
      this.#segments.set(name, { handle, writes: new Set(), detaching: false });
      return { bytes };
    } catch (error) {
      this.#segments.delete(name);
      const { code, message } = fromRejection(error);
      throw toKvferryError(code, `segment ${name}: ${message}`, error);
    }
  }

  async detachSegment(name: string): Promise<void> {
    this.#requireOpen();
    const segment = this.#segments.get(name);
    if (segment === undefined || segment.detaching) {
      throw new KvferryError('segment_not_found', `segment ${name} is not attached`);
    }
    segment.detaching = true;
    await Promise.all(segment.writes);
    this.#segments.delete(name);
    if (this.#closing === undefined) this.#engine.detachSegment(segment.handle);
  }

  canReach(endpoint: FabricEndpoint): boolean {
    const wire = this.#wires.get(endpoint.provider);
    const fields = endpoint.address.split(':');
    if (this.#closing !== undefined || wire === undefined || fields[0] !== wire) return false;
    return endpoint.provider !== 'same-host' || isSameSocket(fields);
  }

  async connect(
    endpoint: FabricEndpoint,
    grant: FabricGrant,
    options: { timeoutMs: number },
  ): Promise<FabricConnection> {
    this.#requireOpen();
    const { provider, address } = endpoint;
    if (!this.#wires.has(provider)) {
      throw new KvferryError('provider_unavailable', `${provider} is not available in this process`);
    }
    if (grant.provider !== provider) {
      throw new KvferryError('connection_failed', `grant ${grant.id} is for ${grant.provider}, not for ${provider}`);
    }
    const timeoutMs = Math.max(0, Math.ceil(options.timeoutMs));
    const { handle } = await this.#call((id) =>
      this.#engine.connect(provider, id, address, grant.token, timeoutMs),
    ).catch((error: unknown) => {
      const { code, message } = fromRejection(error);
      throw toKvferryError(code, `${provider} connection under grant ${grant.id}: ${message}`, error);
    });
    return new NativeConnection(provider, this.#detail(provider), {
      write: (items) => this.#write(provider, handle, items),
      close: async () => {
        if (this.#closing === undefined) await this.#call((id) => this.#engine.disconnect(provider, id, handle));
        else await this.#closing;
      },
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#engine.close().then(() => {
      this.#endpoints.length = 0;
      this.#segments.clear();
      this.#grants.clear();
    });
    return this.#closing;
  }

  #write(provider: Provider, connection: number, items: readonly WriteItem[]): FabricWrite {
    if (this.#closing !== undefined) return failedWrite('connection_lost', 'the fabric is closed');
    const numbers = new Float64Array(items.length * numbersPerItem);
    const used = new Set<AttachedSegment>();
    let at = 0;
    for (const item of items) {
      const segment = this.#segments.get(item.segment);
      if (segment === undefined || segment.detaching) {
        return failedWrite('segment_invalid', `segment ${item.segment} is not attached`);
      }
      if (!isSize(item.sourceOffset) || !isSize(item.length)) {
        return failedWrite('segment_invalid', `segment ${item.segment}: no range at ${item.sourceOffset}`);
      }
      if (!isSize(item.targetOffset)) {
        return failedWrite('write_rejected', `target offset ${item.targetOffset} is outside the arena`);
      }
      used.add(segment);
      numbers[at++] = segment.handle;
      numbers[at++] = item.sourceOffset;
      numbers[at++] = item.targetOffset;
      numbers[at++] = item.length;
    }
    const id = this.#nextId();
    const done = new Promise<NativeCompletion>((resolve) => this.#pending.set(id, resolve)).then((completion) => {
      for (const segment of used) segment.writes.delete(done);
      return toOutcome(completion);
    });
    for (const segment of used) segment.writes.add(done);
    this.#engine.write(provider, id, connection, numbers);
    return {
      done,
      stop: () => {
        if (this.#closing === undefined) this.#engine.stop(provider, connection, id);
      },
    };
  }

  #detail(provider: Provider): string {
    if (provider === 'same-host') return 'same host, copied by the receiver';
    return `libfabric ${this.#wires.get(provider)} ${this.#native.libfabricVersion().version}`;
  }

  async #call(begin: (id: number) => void): Promise<NativeCompletion> {
    this.#requireOpen();
    const id = this.#nextId();
    const completion = await new Promise<NativeCompletion>((resolve) => {
      this.#pending.set(id, resolve);
      begin(id);
    });
    if (completion.code !== 'ok') throw toKvferryError(completion.code, completion.message);
    return completion;
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % 0xffffffff) + 1;
    return this.#lastId;
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new KvferryError('closed', 'the fabric is closed');
  }
}

/** Keeps the fabric's secrets out of what callers can print. */
class NativeConnection implements FabricConnection {
  readonly #calls: { write(items: readonly WriteItem[]): FabricWrite; close(): Promise<void> };
  #closing: Promise<void> | undefined;

  constructor(
    readonly provider: Provider,
    readonly detail: string,
    calls: { write(items: readonly WriteItem[]): FabricWrite; close(): Promise<void> },
  ) {
    this.#calls = calls;
  }

  write(items: readonly WriteItem[]): FabricWrite {
    if (this.#closing !== undefined) return failedWrite('connection_lost', 'the connection is closed');
    return this.#calls.write(items);
  }

  close(): Promise<void> {
    this.#closing ??= this.#calls.close();
    return this.#closing;
  }
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Does the path lead to the receiver's own socket here too, or is it another mount namespace's path? */
function isSameSocket(fields: readonly string[]): boolean {
  const [, device, inode, path = ''] = fields;
  const status = statSync(Buffer.from(path, 'hex'), { bigint: true, throwIfNoEntry: false });
  return status !== undefined && status.dev.toString(16) === device && status.ino.toString(16) === inode;
}
