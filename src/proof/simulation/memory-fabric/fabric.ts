import type {
  ArenaOptions,
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  Provider,
  SegmentFile,
  SegmentSource,
  UnavailableProvider,
} from '../../../ports/fabric.js';
import { KvferryError } from '../../../protocol/errors.js';
import { type ConnectionNetwork, MemoryConnection, type MemorySegment } from './connection.js';
import { createFile, type MemoryFiles } from './files.js';
import type { MemoryFabricOptions } from './slice.js';

/** What a fabric uses of its network. */
interface FabricNetwork extends ConnectionNetwork, MemoryFiles {
  readonly files: Map<string, Uint8Array>;
  readonly providers: readonly Provider[];
  /** Whether `from` can connect to `to`. */
  readonly reachable: (from: string, to: string, provider: Provider) => boolean;
  /** A revocation takes effect when this resolves. */
  readonly revoking: (address: string) => Promise<void>;
  /** Grants that were revoked, in order. */
  readonly revoked: string[];
  find(name: string): MemoryFabric | undefined;
  remove(name: string): void;
}

const NO_DEVICE = 'the fabric in memory has no devices';

export class MemoryFabric implements FabricPort {
  readonly name: string;
  readonly #network: FabricNetwork;
  readonly #options: MemoryFabricOptions;
  readonly #segments = new Map<string, MemorySegment>();
  /** Live grants by token. */
  readonly #grants = new Map<string, FabricGrant>();
  readonly #connections = new Set<MemoryConnection>();
  #grantCount = 0;
  /** Number of slices that landed here, of revocations, and of completions that the process has read. */
  events = 0;
  /** Tells files apart: a path that leads to other content leads to another file. */
  readonly #fileNumbers = new WeakMap<Uint8Array, number>();
  #lastFileNumber = 0;
  /** Completions that arrived while the process is stopped. Undefined while it runs. */
  #unread: (() => void)[] | undefined;
  #arena: ArenaOptions | undefined;
  #closed = false;

  constructor(network: FabricNetwork, name: string, options: MemoryFabricOptions) {
    this.#network = network;
    this.name = name;
    this.#options = options;
  }

  endpoints(): readonly FabricEndpoint[] {
    if (this.#arena === undefined || this.#closed) return [];
    return this.#network.providers.map((provider) => ({ provider, detail: 'in memory', address: this.name }));
  }

  unavailable(): readonly UnavailableProvider[] {
    return [];
  }

  async createArena(options: ArenaOptions): Promise<undefined> {
    this.#requireOpen();
    const { path, pageBytes, pages, device } = options;
    if (device !== undefined) throw new KvferryError('arena_unavailable', `arena ${path}: ${NO_DEVICE}`);
    const sized = [pageBytes, pages, pageBytes * pages].every((size) => Number.isSafeInteger(size) && size > 0);
    if (!sized) throw new KvferryError('arena_unavailable', `arena ${path}: ${pages} pages of ${pageBytes} bytes`);
    if (!path.startsWith('/')) throw new KvferryError('arena_unavailable', `arena ${path}: the path is not absolute`);
    if (this.#arena !== undefined) {
      throw new KvferryError('arena_unavailable', `arena ${path}: this process has an arena already`);
    }
    createFile(this.#network, path, pageBytes * pages);
    this.#arena = options;
  }

  async grant(provider: Provider): Promise<FabricGrant> {
    this.#requireOpen();
    if (!this.#network.providers.includes(provider) || this.#arena === undefined) {
      throw new KvferryError('provider_unavailable', `${provider} is not offered by this fabric`);
    }
    this.#grantCount += 1;
    const id = `${provider}-${this.name}-${this.#grantCount}`;
    const grant: FabricGrant = { id, provider, token: `token of ${id}`, arenaBytes: this.arenaBytes };
    this.#grants.set(grant.token, grant);
    return grant;
  }

  async revoke(grantId: string): Promise<void> {
    await this.#network.revoking(this.name);
    this.events += 1;
    for (const [token, grant] of this.#grants) {
      if (grant.id !== grantId) continue;
      this.#grants.delete(token);
      this.#network.revoked.push(grantId);
    }
  }

  /** Files in memory do not shrink under their arena. */
  arenaLost(): Promise<string> {
    return new Promise(() => undefined);
  }

  async identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    this.#requireOpen();
    return typeof source === 'string' ? this.#fileAt(source) : undefined;
  }

  async attachSegment(name: string, path: SegmentSource): Promise<SegmentFile> {
    this.#requireFree(name);
    if (typeof path !== 'string') throw new KvferryError('segment_invalid', `segment ${name}: ${NO_DEVICE}`);
    const file = this.#network.files.get(path);
    if (file === undefined) {
      const code = this.#network.directories.has(path) ? 'segment_invalid' : 'segment_not_found';
      throw new KvferryError(code, `segment ${name}: ${path} is no file`);
    }
    if (file.length === 0) throw new KvferryError('segment_invalid', `segment ${name}: ${path} is empty`);
    this.#segments.set(name, { path, bytes: file.length, own: false, writes: new Set(), detaching: false });
    return this.#fileAt(path) as SegmentFile;
  }

  async createSegment(name: string, path: string, bytes: number): Promise<void> {
    this.#requireFree(name);
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new KvferryError('arena_unavailable', `segment ${name}: ${bytes} bytes`);
    }
    createFile(this.#network, path, bytes);
    this.#segments.set(name, { path, bytes, own: true, writes: new Set(), detaching: false });
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
    if (segment.own) this.#network.files.delete(segment.path);
  }

  async connect(
    endpoint: FabricEndpoint,
    grant: FabricGrant,
    options: { timeoutMs: number },
  ): Promise<FabricConnection> {
    this.#requireOpen();
    if (!this.#network.providers.includes(endpoint.provider)) {
      throw new KvferryError('provider_unavailable', `${endpoint.provider} is not available in this process`);
    }
    const reachable = this.#network.reachable(this.name, endpoint.address, endpoint.provider);
    await new Promise<void>((resolve) => {
      this.#network.clock.setTimeout(resolve, reachable ? 0 : options.timeoutMs);
    });
    this.#requireOpen();
    const receiver = this.#network.find(endpoint.address);
    if (!reachable || receiver === undefined) {
      throw new KvferryError('connection_failed', `fabric ${endpoint.address} was not reached`);
    }
    if (receiver.grantOf(grant.token) === undefined) {
      throw new KvferryError('connection_failed', `grant ${grant.id} is unknown or was revoked`);
    }
    const connection = new MemoryConnection(this.#network, this, receiver, grant, this.#options);
    this.#connections.add(connection);
    return connection;
  }

  unreachable({ provider }: FabricEndpoint): string | undefined {
    if (this.#closed) return 'the fabric is closed';
    return this.#network.providers.includes(provider) ? undefined : `this agent does not have ${provider}`;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const { files } = this.#network;
    if (this.#arena !== undefined) files.delete(this.#arena.path);
    for (const segment of this.#segments.values()) if (segment.own) files.delete(segment.path);
    this.die();
  }

  /** Used by the network: ends the fabric and leaves its files. */
  die(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#grants.clear();
    for (const connection of this.#connections) connection.lose('the fabric was closed', false);
    this.#connections.clear();
    this.#network.remove(this.name);
  }

  /** Stops its process as SIGSTOP does: slices still land, and the process reads no completion. */
  stop(): void {
    this.#unread ??= [];
  }

  /** Continues its process as SIGCONT does. */
  resume(): void {
    const unread = this.#unread ?? [];
    this.#unread = undefined;
    for (const read of unread) this.arrive(read);
  }

  /** Used by connections: the process reads a completion, now or when it continues. */
  arrive(read: () => void): void {
    if (this.#unread !== undefined) {
      this.#unread.push(read);
      return;
    }
    this.events += 1;
    read();
  }

  /** Used by connections. */
  get arenaBytes(): number {
    return this.#arena === undefined ? 0 : this.#arena.pageBytes * this.#arena.pages;
  }

  grantOf(token: string): FabricGrant | undefined {
    return this.#grants.get(token);
  }

  segment(name: string): MemorySegment | undefined {
    const segment = this.#segments.get(name);
    return segment?.detaching ? undefined : segment;
  }

  forget(connection: MemoryConnection): void {
    this.#connections.delete(connection);
  }

  /** Used by connections. The receiver's check and its writing are one atomic step. */
  land(token: string, targetOffset: number, bytes: Uint8Array): boolean {
    const arena = this.#arena === undefined ? undefined : this.#network.files.get(this.#arena.path);
    const allowed = this.#grants.has(token) && arena !== undefined && targetOffset + bytes.length <= arena.length;
    if (allowed) arena.set(bytes, targetOffset);
    this.events += 1;
    return allowed;
  }

  #fileAt(path: string): SegmentFile | undefined {
    const content = this.#network.files.get(path);
    if (content === undefined) return undefined;
    const number = this.#fileNumbers.get(content) ?? this.#lastFileNumber + 1;
    this.#fileNumbers.set(content, number);
    this.#lastFileNumber = Math.max(this.#lastFileNumber, number);
    return { file: `${number}`, bytes: content.length };
  }

  #requireOpen(): void {
    if (this.#closed) throw new KvferryError('closed', `fabric ${this.name} is closed`);
  }

  #requireFree(name: string): void {
    this.#requireOpen();
    if (this.#segments.has(name)) throw new KvferryError('segment_exists', `segment ${name} is attached already`);
  }
}
