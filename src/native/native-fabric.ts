/**
 * The fabric port on the native addon.
 *
 * The addon's threads move the bytes. This side keeps names (segments, grants, connections), checks arguments, and
 * turns completion records into promises and native errors into `KvferryError`. No byte of the KV cache passes through
 * here.
 */
import { isAbsolute } from 'node:path';
import { CANNOT_ENCRYPT, isInClear } from '../ports/encryption.js';
import type {
  ArenaOptions,
  DeviceMemory,
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  FabricWrite,
  Provider,
  SegmentFile,
  SegmentSource,
  UnavailableProvider,
  WriteItem,
} from '../ports/fabric.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { ArenaWatch } from './arena-watch.js';
import { AttachedSegments } from './attached-segments.js';
import { type Completion, Completions } from './completions.js';
import { identityOf, packedDevice, packedMemory } from './device-memory.js';
import { type CheckedOptions, checkedOptions, type NativeFabricOptions, spinMicroseconds } from './fabric-options.js';
import { loadNative, type NativeEngine, type NativeModule } from './native.js';
import { NativeConnection } from './native-connection.js';
import { describedAs, fromRejection } from './native-errors.js';
import { ReceiverSockets } from './receiver-sockets.js';
import { SegmentDirectories } from './segment-directories.js';
import { failedWrite, ItemPacker, isSize, toOutcome } from './writes.js';

/**
 * Starts a fabric. `unavailable()` lists each provider that cannot be opened, with the reason. Rejects
 * `provider_unavailable` when the addon is missing, `invalid_configuration`, and `fabric_error` when the system refuses a
 * thread or a descriptor.
 */
export async function openNativeFabric(options: NativeFabricOptions): Promise<FabricPort> {
  const loaded = loadNative();
  if ('reason' in loaded) throw new KvferryError('provider_unavailable', loaded.reason);
  const checked = checkedOptions(options);
  try {
    const fabric = new NativeFabric(loaded.native, checked);
    await fabric.open();
    return fabric;
  } catch (error) {
    throw describedAs('opening the fabric', error);
  }
}

interface Granted {
  readonly provider: Provider;
  readonly handle: number;
}

/** The last grant number of the process, which may hold several fabrics. */
let lastGrant = 0;

class NativeFabric implements FabricPort {
  readonly #native: NativeModule;
  readonly #options: CheckedOptions;
  readonly #engine: NativeEngine;
  readonly #completions: Completions;
  /** For each open provider: what both ends of a connection must have in common. */
  readonly #wires = new Map<Provider, string>();
  readonly #unavailable: UnavailableProvider[] = [];
  readonly #endpoints: FabricEndpoint[] = [];
  readonly #grants = new Map<string, Granted>();
  readonly #segments = new AttachedSegments();
  readonly #packer = new ItemPacker(this.#segments);
  readonly #watch = new ArenaWatch();
  readonly #sockets = new ReceiverSockets();
  readonly #directories: SegmentDirectories;
  #arenaBytes: number | undefined;
  /** Why the arena cannot be written any more. */
  #arenaFault: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(native: NativeModule, options: CheckedOptions) {
    this.#native = native;
    this.#options = options;
    this.#directories = new SegmentDirectories(options.segmentDirectories);
    const completions = new Completions(native.codes);
    this.#completions = completions;
    const engineOptions = {
      ...options,
      tcpEncrypted: options.tcpEncryption === 'required',
      spinMicroseconds: spinMicroseconds(),
      segmentDirectories: this.#directories.paths,
    };
    this.#engine = new native.Engine(engineOptions, (records, count, texts) => completions.take(records, count, texts));
  }

  async open(): Promise<void> {
    for (const provider of this.#options.providers) {
      if (this.#options.tcpEncryption === 'required' && isInClear(provider)) {
        this.#unavailable.push({ provider, reason: CANNOT_ENCRYPT });
        continue;
      }
      try {
        const { text } = await this.#call((id) => this.#engine.open(this.#place(provider), id));
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

  async createArena(options: ArenaOptions): Promise<DeviceMemory | undefined> {
    this.#requireOpen();
    const { path, pageBytes, pages, device } = options;
    const bytes = pageBytes * pages;
    const sized = [pageBytes, pages, bytes].every((size) => Number.isSafeInteger(size) && size > 0);
    if (!sized) throw new KvferryError('arena_unavailable', `arena ${path}: ${pages} pages of ${pageBytes} bytes`);
    if (!isAbsolute(path)) throw new KvferryError('arena_unavailable', `arena ${path}: the path is not absolute`);
    if (this.#arenaBytes !== undefined) {
      throw new KvferryError('arena_unavailable', `arena ${path}: this process has an arena already`);
    }
    this.#arenaBytes = bytes;
    let memory: DeviceMemory | undefined;
    try {
      if (device === undefined) await this.#engine.createArena(path, bytes);
      else memory = await this.#createDeviceArena(device, bytes);
    } catch (error) {
      this.#arenaBytes = undefined;
      throw fromRejection(error);
    }
    this.#watch.begin(this, NativeFabric.#lookAtArena);
    for (const provider of this.#wires.keys()) {
      try {
        const { text } = await this.#call((id) => this.#engine.listen(this.#place(provider), id));
        this.#endpoints.push({ provider, detail: this.#detail(provider, text), address: text });
      } catch (error) {
        this.#requireOpen();
        this.#wires.delete(provider);
        this.#unavailable.push({ provider, reason: fromRejection(error).message });
      }
    }
    return memory;
  }

  async #createDeviceArena(device: string, bytes: number): Promise<DeviceMemory> {
    const handle = await this.#engine.createDeviceArena(packedDevice(device, 'arena_unavailable'), bytes);
    return { handle: Buffer.from(handle, 'hex').toString('base64'), device, bytes };
  }

  arenaLost(): Promise<string> {
    return this.#watch.lost;
  }

  async grant(provider: Provider): Promise<FabricGrant> {
    this.#requireOpen();
    if (this.#arenaFault !== undefined) {
      throw new KvferryError('arena_unavailable', `the arena has lost memory: ${this.#arenaFault}`);
    }
    if (!this.#endpoints.some((endpoint) => endpoint.provider === provider)) {
      throw new KvferryError('provider_unavailable', `${provider} is not offered by this fabric`);
    }
    const { handle, text } = await this.#call((id) => this.#engine.grant(this.#place(provider), id));
    const id = `${provider}-${++lastGrant}`;
    this.#grants.set(id, { provider, handle });
    return { id, provider, token: text, arenaBytes: this.#arenaBytes ?? 0 };
  }

  async revoke(grantId: string): Promise<void> {
    const granted = this.#grants.get(grantId);
    if (granted === undefined || this.#closing !== undefined) return this.#closing;
    await this.#call((id) => this.#engine.revoke(this.#place(granted.provider), id, granted.handle));
    this.#grants.delete(grantId);
  }

  async attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    this.#requireOpen();
    if (typeof source === 'string') {
      return this.#segments.add(name, async () => {
        const place = this.#directories.placeOf(source);
        return this.#engine.attachSegment(place.directory, place.name);
      });
    }
    const { handle, device, offset, bytes } = packedMemory(source);
    await this.#segments.add(name, () => this.#engine.attachDevice(handle, device, offset, bytes));
    return { file: identityOf(source), bytes };
  }

  /** Undefined too when the path may not be attached, or this process may not look at it. */
  async identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    this.#requireOpen();
    if (typeof source !== 'string') return { file: identityOf(source), bytes: source.bytes };
    try {
      const { directory, name } = this.#directories.placeOf(source);
      return await this.#engine.lookAtSegment(directory, name);
    } catch (error) {
      const failure = fromRejection(error);
      if (isKvferryError(failure, 'segment_not_found', 'segment_invalid')) return undefined;
      throw failure;
    }
  }

  async createSegment(name: string, path: string, bytes: number): Promise<void> {
    if (!isSize(bytes) || bytes === 0) throw new KvferryError('arena_unavailable', `segment ${name}: ${bytes} bytes`);
    if (!isAbsolute(path)) throw new KvferryError('arena_unavailable', `segment ${name}: ${path} is not absolute`);
    this.#requireOpen();
    await this.#segments.add(name, () => this.#engine.createSegment(path, bytes));
  }

  async detachSegment(name: string): Promise<void> {
    this.#requireOpen();
    const handle = await this.#segments.remove(name);
    if (this.#closing === undefined) this.#engine.detachSegment(handle);
  }

  unreachable({ provider, address }: FabricEndpoint): string | undefined {
    if (this.#closing !== undefined) return 'the fabric is closed';
    const wire = this.#wires.get(provider);
    if (wire === undefined) {
      const reason = this.#unavailable.find((row) => row.provider === provider)?.reason;
      return reason ?? 'this agent does not use it (--provider)';
    }
    const fields = address.split(':');
    if (fields[0] !== wire) {
      if (provider === 'same-host') return 'the receiver runs on another host';
      return `the receiver has ${fields[0] || 'none'}, and this agent has ${wire}`;
    }
    const inClear = provider === 'tcp' && !isEncrypted(fields) && this.#options.tcpEncryption === 'required';
    return inClear
      ? 'the receiver does not encrypt, and this agent requires it: set --tcp-encryption required there'
      : undefined;
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
    const place = this.#place(provider);
    const handle = await this.#connect(place, endpoint, grant, options.timeoutMs).catch((error: unknown) => {
      throw describedAs(`${provider} connection under grant ${grant.id}`, error);
    });
    return new NativeConnection(provider, this.#detail(provider, address), {
      write: (items) => this.#write(place, handle, items),
      close: async () => {
        if (this.#closing === undefined) await this.#call((id) => this.#engine.disconnect(place, id, handle));
        else await this.#closing;
      },
    });
  }

  close(): Promise<void> {
    this.#watch.end();
    this.#closing ??= this.#engine.close().then(() => {
      this.#endpoints.length = 0;
      this.#segments.clear();
      this.#grants.clear();
    });
    return this.#closing;
  }

  /**
   * Why bytes that arrive may be missing; then no sender may write any more. Static, because a function that refers to the
   * fabric would keep it alive.
   */
  static #lookAtArena(this: void, fabric: NativeFabric): string {
    const fault = fabric.#engine.arenaFault();
    if (fault === '') return '';
    fabric.#arenaFault = fault;
    // A grant that cannot be revoked is one of a fabric that closes.
    void Promise.allSettled([...fabric.#grants.keys()].map((id) => fabric.revoke(id)));
    return fault;
  }

  async #connect(place: number, endpoint: FabricEndpoint, grant: FabricGrant, timeoutMs: number): Promise<number> {
    const { provider, address } = endpoint;
    const deadlineMs = performance.now() + timeoutMs;
    if (provider === 'same-host') await this.#sockets.check(address, timeoutMs);
    const leftMs = Math.max(0, Math.ceil(deadlineMs - performance.now()));
    const { handle } = await this.#call((id) => this.#engine.connect(place, id, address, grant.token, leftMs));
    return handle;
  }

  #write(place: number, connection: number, items: readonly WriteItem[]): FabricWrite {
    if (this.#closing !== undefined) return failedWrite('connection_lost', 'the fabric is closed');
    const packed = this.#packer.pack(items);
    if ('done' in packed) return packed;
    const { numbers, segments } = packed;
    const { id, completed: done } = this.#completions.expect((completion) => {
      for (const segment of segments) segment.writes.delete(done);
      return toOutcome(completion, (handle) => this.#segments.nameOf(handle));
    });
    for (const segment of segments) segment.writes.add(done);
    this.#completions.begin(id, () => this.#engine.write(place, id, connection, numbers, items.length));
    return {
      done,
      stop: () => {
        if (this.#closing === undefined) this.#engine.stop(place, connection, id);
      },
    };
  }

  /** The number by which the engine knows the provider. */
  #place(provider: Provider): number {
    const providers: readonly Provider[] = this.#options.providers;
    return providers.indexOf(provider);
  }

  #detail(provider: Provider, address: string): string {
    if (provider === 'tcp') return isEncrypted(address.split(':')) ? 'TCP, encrypted' : 'TCP, in clear';
    if (provider === 'same-host') return 'same host, copied by the receiver';
    return `libfabric ${this.#wires.get(provider)} ${this.#native.libfabricVersion().version}`;
  }

  async #call(begin: (id: number) => void): Promise<Completion> {
    this.#requireOpen();
    return this.#completions.of(begin);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new KvferryError('closed', 'the fabric is closed');
  }
}

/** Whether a receiver of the provider tcp encrypts: the last field of its address. */
function isEncrypted(fields: readonly string[]): boolean {
  return fields[3] === '1';
}
