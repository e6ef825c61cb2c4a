/**
 * The fabric in memory: one network, any number of fabrics, time from the injected clock, nothing left to chance.
 *
 * Files are byte arrays by path, so that a test writes segments and reads arenas as engines do. What happens to each
 * slice of a write is decided by `fate`; a slice that is held lands when it is released, also when its sender has long
 * given up, which is the late writer that fencing is about.
 */

import type { ClockPort } from '../../ports/clock.js';
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
} from '../../ports/fabric.js';
import { KvferryError } from '../../protocol/errors.js';

/** A piece of a write on its way. */
export interface MemorySlice {
  readonly from: string;
  readonly to: string;
  readonly grantId: string;
  readonly segment: string;
  readonly sourceOffset: number;
  readonly targetOffset: number;
  readonly length: number;
}

/**
 * - `deliver`: lands after `delayMs`.
 * - `hold`: stays on its way until it is released.
 * - `fail`: does not land; the write fails with the code.
 * - `break`: does not land; the connection breaks.
 */
export type SliceFate =
  | { readonly kind: 'deliver'; readonly delayMs: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'fail'; readonly code: FabricWriteErrorCode }
  | { readonly kind: 'break' };

/** How `failNextWrite` ends a write. */
export interface WriteFault {
  readonly code: FabricWriteErrorCode;
  readonly message: string;
  /** Default: true. */
  readonly drained?: boolean;
}

/** What `holdWrites` keeps back. */
export interface HeldWrites {
  /** How many slices are on hold now. */
  readonly held: number;
  /** Lets them land, and holds no more. */
  release(): void;
}

export interface MemoryFabricOptions {
  readonly windowBytes: number;
  readonly sliceBytes: number;
}

const defaultOptions: MemoryFabricOptions = { windowBytes: 8 * 1024 * 1024, sliceBytes: 1024 * 1024 };

const delivered: SliceFate = { kind: 'deliver', delayMs: 0 };

interface HeldSlice {
  readonly slice: MemorySlice;
  readonly land: () => void;
}

export class MemoryFabricNetwork {
  readonly clock: ClockPort;
  /** A file's bytes. Replacing an array by a shorter one shrinks the file. */
  readonly files = new Map<string, Uint8Array>();
  /** Paths that are there and are no files. */
  readonly directories = new Set<string>();
  /** What all files created by fabrics may take together. */
  roomBytes = Number.POSITIVE_INFINITY;
  /** Asked for every slice when it is posted. Default: delivered at once. */
  fate: (slice: MemorySlice) => SliceFate = () => delivered;
  /** Hears of every slice that arrives, after its bytes were written, or were rejected. */
  landed: (slice: MemorySlice, accepted: boolean) => void = () => undefined;
  /** May `from` connect to `to`? A connection that may not be made times out. */
  reachable: (from: string, to: string) => boolean = () => true;

  /** Grants that were revoked, in order. */
  readonly revoked: string[] = [];
  /** Used by fabrics: revocations wait for it. */
  revocations: Promise<void> = Promise.resolve();

  readonly #options: MemoryFabricOptions;
  readonly #writeFaults: WriteFault[] = [];
  readonly #bugs: Error[] = [];
  readonly #fabrics = new Map<string, MemoryFabric>();
  readonly #connections = new Set<MemoryConnection>();
  readonly #holds = new Set<(slice: MemorySlice) => boolean>();
  #held: HeldSlice[] = [];
  #heldChanged: (() => void)[] = [];

  constructor(clock: ClockPort, options: Partial<MemoryFabricOptions> = {}) {
    this.clock = clock;
    this.#options = { ...defaultOptions, ...options };
  }

  /** A fabric for one life of one agent; `name` must not be that of another that is open. */
  open(name: string): MemoryFabric {
    if (this.#fabrics.has(name)) throw new KvferryError('internal', `fabric ${name} is open already`);
    const fabric = new MemoryFabric(this, name, this.#options);
    this.#fabrics.set(name, fabric);
    return fabric;
  }

  /** Holds slices that are posted from now on, those `which` chooses, whatever `fate` says. */
  holdWrites(which: (slice: MemorySlice) => boolean = () => true): HeldWrites {
    const held = (): number => this.held.filter(which).length;
    const release = (): void => {
      this.#holds.delete(which);
      this.release(which);
    };
    this.#holds.add(which);
    return {
      get held() {
        return held();
      },
      release,
    };
  }

  /** The next write, of whatever connection, ends like this with nothing landed. */
  failNextWrite(fault: WriteFault): void {
    this.#writeFaults.push(fault);
  }

  /** The next write, of whatever connection, throws: a bug of the fabric. */
  throwOnNextWrite(error: Error): void {
    this.#bugs.push(error);
  }

  /** Lets no revocation take effect, or be answered, until it is released. */
  holdRevocations(): { release(): void } {
    let release = (): void => undefined;
    this.revocations = new Promise((resolve) => {
      release = resolve;
    });
    return { release };
  }

  /** Slices on hold, in the order in which they were posted. */
  get held(): readonly MemorySlice[] {
    return this.#held.map(({ slice }) => slice);
  }

  /** Resolves when at least `count` slices are on hold. */
  async holding(count: number): Promise<void> {
    while (this.#held.length < count) await new Promise<void>((resolve) => this.#heldChanged.push(resolve));
  }

  /** Lets held slices land, those `which` chooses. */
  release(which: (slice: MemorySlice) => boolean = () => true): void {
    const chosen = this.#held.filter(({ slice }) => which(slice));
    this.#held = this.#held.filter((held) => !chosen.includes(held));
    for (const { land } of chosen) land();
  }

  /** Breaks connections, as a network does: slices on their way may still arrive. */
  breakConnections(which: (from: string, to: string) => boolean = () => true): void {
    for (const connection of [...this.#connections]) {
      if (which(connection.from, connection.to)) connection.lose('the connection broke', false);
    }
  }

  /** Ends a fabric as SIGKILL does: its files stay, its slices on their way may still arrive, its process learns nothing. */
  kill(name: string): void {
    for (const connection of [...this.#connections]) if (connection.from === name) connection.vanish();
    this.#fabrics.get(name)?.die();
  }

  /** Used by fabrics. */
  find(name: string): MemoryFabric | undefined {
    return this.#fabrics.get(name);
  }

  takeWriteFault(): WriteFault | undefined {
    const bug = this.#bugs.shift();
    if (bug !== undefined) throw bug;
    return this.#writeFaults.shift();
  }

  remove(name: string): void {
    this.#fabrics.delete(name);
    for (const connection of [...this.#connections]) {
      if (connection.to === name) connection.lose('the receiver is gone', true);
    }
  }

  add(connection: MemoryConnection): () => void {
    this.#connections.add(connection);
    return () => this.#connections.delete(connection);
  }

  createFile(path: string, bytes: number): void {
    const used = [...this.files.values()].reduce((total, file) => total + file.length, 0);
    if (this.files.has(path) || this.directories.has(path)) {
      throw new KvferryError('arena_unavailable', `${path} exists already`);
    }
    if (!(used + bytes <= this.roomBytes)) {
      throw new KvferryError('arena_unavailable', `${path}: no room for ${bytes} bytes`);
    }
    this.files.set(path, new Uint8Array(bytes));
  }

  /** Sends a slice on its way; exactly one of the callbacks is called, later. */
  carry(slice: MemorySlice, land: () => void, fail: (code: FabricWriteErrorCode) => void, lose: () => void): void {
    const onHold = [...this.#holds].some((which) => which(slice));
    const fate: SliceFate = onHold ? { kind: 'hold' } : this.fate(slice);
    switch (fate.kind) {
      case 'deliver':
        this.clock.setTimeout(land, fate.delayMs);
        return;
      case 'hold':
        this.#held.push({ slice, land: () => this.clock.setTimeout(land, 0) });
        for (const changed of this.#heldChanged.splice(0)) changed();
        return;
      case 'fail':
        this.clock.setTimeout(() => fail(fate.code), 0);
        return;
      case 'break':
        this.clock.setTimeout(lose, 0);
        return;
    }
  }
}

interface MemorySegment {
  readonly path: string;
  readonly bytes: number;
  readonly own: boolean;
  readonly writes: Set<Promise<WriteOutcome>>;
  detaching: boolean;
}

export class MemoryFabric implements FabricPort {
  readonly name: string;
  readonly #network: MemoryFabricNetwork;
  readonly #options: MemoryFabricOptions;
  readonly #segments = new Map<string, MemorySegment>();
  /** Live grants by token. */
  readonly #grants = new Map<string, FabricGrant>();
  readonly #connections = new Set<MemoryConnection>();
  #grantCount = 0;
  /** What has completed while the process is stopped. */
  #unread: (() => void)[] | undefined;
  #arena: ArenaOptions | undefined;
  #closed = false;

  constructor(network: MemoryFabricNetwork, name: string, options: MemoryFabricOptions) {
    this.#network = network;
    this.name = name;
    this.#options = options;
  }

  endpoints(): readonly FabricEndpoint[] {
    if (this.#arena === undefined || this.#closed) return [];
    return [{ provider: 'memory', detail: 'in memory', address: this.name }];
  }

  unavailable(): readonly UnavailableProvider[] {
    return [];
  }

  async createArena(options: ArenaOptions): Promise<void> {
    this.#requireOpen();
    const { path, pageBytes, pages } = options;
    const sized = [pageBytes, pages, pageBytes * pages].every((size) => Number.isSafeInteger(size) && size > 0);
    if (!sized) throw new KvferryError('arena_unavailable', `arena ${path}: ${pages} pages of ${pageBytes} bytes`);
    if (!path.startsWith('/')) throw new KvferryError('arena_unavailable', `arena ${path}: the path is not absolute`);
    if (this.#arena !== undefined) {
      throw new KvferryError('arena_unavailable', `arena ${path}: this process has an arena already`);
    }
    this.#network.createFile(path, pageBytes * pages);
    this.#arena = options;
  }

  async grant(provider: Provider): Promise<FabricGrant> {
    this.#requireOpen();
    if (provider !== 'memory' || this.#arena === undefined) {
      throw new KvferryError('provider_unavailable', `${provider} is not offered by this fabric`);
    }
    this.#grantCount += 1;
    const id = `memory-${this.name}-${this.#grantCount}`;
    const grant: FabricGrant = { id, provider, token: `token of ${id}`, arenaBytes: this.arenaBytes };
    this.#grants.set(grant.token, grant);
    return grant;
  }

  async revoke(grantId: string): Promise<void> {
    await this.#network.revocations;
    for (const [token, grant] of this.#grants) {
      if (grant.id !== grantId) continue;
      this.#grants.delete(token);
      this.#network.revoked.push(grantId);
    }
  }

  async attachSegment(name: string, path: string): Promise<{ readonly bytes: number }> {
    this.#requireFree(name);
    const file = this.#network.files.get(path);
    if (file === undefined) {
      const code = this.#network.directories.has(path) ? 'segment_invalid' : 'segment_not_found';
      throw new KvferryError(code, `segment ${name}: ${path} is no file`);
    }
    if (file.length === 0) throw new KvferryError('segment_invalid', `segment ${name}: ${path} is empty`);
    this.#segments.set(name, { path, bytes: file.length, own: false, writes: new Set(), detaching: false });
    return { bytes: file.length };
  }

  async createSegment(name: string, path: string, bytes: number): Promise<void> {
    this.#requireFree(name);
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new KvferryError('arena_unavailable', `segment ${name}: ${bytes} bytes`);
    }
    this.#network.createFile(path, bytes);
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
    if (endpoint.provider !== 'memory') {
      throw new KvferryError('provider_unavailable', `${endpoint.provider} is not available in this process`);
    }
    const reachable = this.#network.reachable(this.name, endpoint.address);
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

  canReach(endpoint: FabricEndpoint): boolean {
    return !this.#closed && endpoint.provider === 'memory';
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const { files } = this.#network;
    if (this.#arena !== undefined) files.delete(this.#arena.path);
    for (const segment of this.#segments.values()) if (segment.own) files.delete(segment.path);
    this.die();
  }

  /** Used by the network: everything ends, the files stay. */
  die(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#grants.clear();
    for (const connection of this.#connections) connection.lose('the fabric was closed', false);
    this.#connections.clear();
    this.#network.remove(this.name);
  }

  /** Stops its process as SIGSTOP does: what is on its way arrives, and nobody reads the completions. */
  stop(): void {
    this.#unread ??= [];
  }

  /** As SIGCONT does. */
  resume(): void {
    const unread = this.#unread ?? [];
    this.#unread = undefined;
    for (const read of unread) read();
  }

  /** Used by connections: the process reads a completion, now or when it goes on. */
  arrive(read: () => void): void {
    if (this.#unread === undefined) read();
    else this.#unread.push(read);
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

  /** The receiver's check and its step of writing are one. */
  land(token: string, targetOffset: number, bytes: Uint8Array): boolean {
    const arena = this.#arena === undefined ? undefined : this.#network.files.get(this.#arena.path);
    const allowed = this.#grants.has(token) && arena !== undefined && targetOffset + bytes.length <= arena.length;
    if (allowed) arena.set(bytes, targetOffset);
    return allowed;
  }

  #requireOpen(): void {
    if (this.#closed) throw new KvferryError('closed', `fabric ${this.name} is closed`);
  }

  #requireFree(name: string): void {
    this.#requireOpen();
    if (this.#segments.has(name)) throw new KvferryError('segment_exists', `segment ${name} is attached already`);
  }
}

interface Failure {
  readonly code: FabricWriteErrorCode;
  readonly message: string;
}

/** A write's progress. It is reported when nothing is outstanding and nothing more will be posted. */
class MemoryWrite {
  readonly done: Promise<WriteOutcome>;
  readonly #items: readonly WriteItem[];
  #resolve: (outcome: WriteOutcome) => void = () => undefined;
  #item = 0;
  #within = 0;
  #outstanding = 0;
  #bytes = 0;
  #stopped = false;
  #drained = true;
  #failure: Failure | undefined;
  reported = false;

  constructor(items: readonly WriteItem[]) {
    this.#items = items.filter((item) => item.length > 0);
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get hasMore(): boolean {
    return this.#failure === undefined && !this.#stopped && this.#item < this.#items.length;
  }

  /** The next piece to post. Only when `hasMore`. */
  peek(sliceBytes: number): WriteItem {
    const item = this.#items[this.#item] as WriteItem;
    return {
      segment: item.segment,
      sourceOffset: item.sourceOffset + this.#within,
      targetOffset: item.targetOffset + this.#within,
      length: Math.min(item.length - this.#within, sliceBytes),
    };
  }

  posted(slice: WriteItem): void {
    this.#outstanding += 1;
    this.#within += slice.length;
    if (this.#within === this.#items[this.#item]?.length) {
      this.#item += 1;
      this.#within = 0;
    }
  }

  completed(bytes: number, failure?: Failure): void {
    this.#outstanding -= 1;
    this.#bytes += bytes;
    if (failure !== undefined) this.fail(failure);
    this.report();
  }

  stop(): void {
    if (this.hasMore) this.#stopped = true;
    this.report();
  }

  fail(failure: Failure): void {
    this.#failure ??= failure;
  }

  /** What is outstanding will not be heard of any more. */
  giveUp(failure: Failure, drained: boolean): void {
    if (this.#outstanding > 0 && !drained) this.#drained = false;
    this.#outstanding = 0;
    this.fail(failure);
    this.report();
  }

  report(): void {
    if (this.reported || this.#outstanding > 0 || this.hasMore) return;
    this.reported = true;
    const bytes = this.#bytes;
    const drained = this.#drained;
    if (this.#failure !== undefined) this.#resolve({ status: 'failed', bytes, drained, ...this.#failure });
    else if (this.#stopped) this.#resolve({ status: 'stopped', bytes, drained });
    else this.#resolve({ status: 'delivered', bytes });
  }
}

class MemoryConnection implements FabricConnection {
  readonly provider = 'memory';
  readonly detail = 'in memory';
  readonly from: string;
  readonly to: string;
  readonly #network: MemoryFabricNetwork;
  readonly #sender: MemoryFabric;
  readonly #receiver: MemoryFabric;
  readonly #grant: FabricGrant;
  readonly #options: MemoryFabricOptions;
  readonly #remove: () => void;
  /** Writes that are not reported, in turn. */
  #writes: MemoryWrite[] = [];
  #outstandingBytes = 0;
  #lost: Failure | undefined;

  constructor(
    network: MemoryFabricNetwork,
    sender: MemoryFabric,
    receiver: MemoryFabric,
    grant: FabricGrant,
    options: MemoryFabricOptions,
  ) {
    this.#network = network;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#grant = grant;
    this.#options = options;
    this.from = sender.name;
    this.to = receiver.name;
    this.#remove = network.add(this);
  }

  write(items: readonly WriteItem[]): FabricWrite {
    const fault = this.#network.takeWriteFault();
    if (fault !== undefined) return this.#faulty(fault);
    const write = new MemoryWrite(items);
    const failure = this.#lost ?? this.#invalid(items);
    if (failure !== undefined) write.fail(failure);
    const segments = new Set(items.map((item) => this.#sender.segment(item.segment)));
    for (const segment of segments) segment?.writes.add(write.done);
    void write.done.then(() => {
      for (const segment of segments) segment?.writes.delete(write.done);
    });
    write.report();
    if (!write.reported) this.#writes.push(write);
    this.#post();
    return { done: write.done, stop: () => write.stop() };
  }

  #faulty({ code, message, drained = true }: WriteFault): FabricWrite {
    const done = new Promise<WriteOutcome>((resolve) => {
      this.#network.clock.setTimeout(() => {
        resolve({ status: 'failed', bytes: 0, drained, code, message });
        if (code === 'connection_lost') this.lose(message, drained);
      }, 0);
    });
    return { done, stop: () => undefined };
  }

  async close(): Promise<void> {
    this.lose('the connection was closed', false);
  }

  /** Used by the network and the fabrics. `drained`: nothing of what is on its way can land. */
  lose(message: string, drained: boolean): void {
    if (this.#lost !== undefined) return;
    this.#lost = { code: 'connection_lost', message };
    for (const write of this.#writes.splice(0)) write.giveUp(this.#lost, drained);
    this.#remove();
    this.#sender.forget(this);
  }

  /** Its process is dead: nothing more is posted, and nobody is told. */
  vanish(): void {
    this.#writes = [];
    this.lose('the sender is dead', false);
  }

  #invalid(items: readonly WriteItem[]): Failure | undefined {
    for (const { segment: name, sourceOffset, targetOffset, length } of items) {
      const segment = this.#sender.segment(name);
      if (segment === undefined || !isRange(sourceOffset, length, segment.bytes)) {
        return { code: 'segment_invalid', message: `no ${sourceOffset}+${length} in segment ${name}` };
      }
      if (!isRange(targetOffset, length, this.#receiver.arenaBytes)) {
        return { code: 'write_rejected', message: `${targetOffset}+${length} is outside the arena` };
      }
    }
    return undefined;
  }

  /** Posts while the window has room, a slice of each write in turn. */
  #post(): void {
    this.#writes = this.#writes.filter((write) => !write.reported);
    for (let write = this.#next(); write !== undefined; write = this.#next()) {
      const slice = write.peek(this.#options.sliceBytes);
      if (this.#outstandingBytes > 0 && this.#outstandingBytes + slice.length > this.#options.windowBytes) return;
      this.#writes = [...this.#writes.filter((other) => other !== write), write];
      this.#carry(write, slice);
    }
  }

  #next(): MemoryWrite | undefined {
    return this.#writes.find((write) => write.hasMore);
  }

  #carry(write: MemoryWrite, slice: WriteItem): void {
    const bytes = this.#read(slice);
    if (bytes === undefined) {
      write.fail({ code: 'segment_invalid', message: `segment ${slice.segment} shrank` });
      write.report();
      return;
    }
    write.posted(slice);
    this.#outstandingBytes += slice.length;
    const end = (failure?: Failure) => {
      this.#outstandingBytes -= slice.length;
      if (this.#lost !== undefined) return;
      write.completed(failure === undefined ? slice.length : 0, failure);
      this.#post();
    };
    const carried: MemorySlice = { ...slice, from: this.from, to: this.to, grantId: this.#grant.id };
    this.#network.carry(
      carried,
      () => {
        // While the connection lives its source may be read as late as this; then it has been read before.
        const read = this.#lost === undefined ? (this.#read(slice) ?? bytes) : bytes;
        const accepted = this.#receiver.land(this.#grant.token, slice.targetOffset, read);
        this.#network.landed(carried, accepted);
        const rejection = { code: 'write_rejected', message: 'the receiver rejected the write' } as const;
        this.#sender.arrive(() => end(accepted ? undefined : rejection));
      },
      (code) => this.#sender.arrive(() => end({ code, message: 'the write was made to fail' })),
      () => this.#sender.arrive(() => this.lose('the connection broke', false)),
    );
  }

  #read(slice: WriteItem): Uint8Array | undefined {
    const path = this.#sender.segment(slice.segment)?.path ?? '';
    const file = this.#network.files.get(path);
    const end = slice.sourceOffset + slice.length;
    return file === undefined || file.length < end ? undefined : file.slice(slice.sourceOffset, end);
  }
}

function isRange(offset: number, length: number, bytes: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= bytes
  );
}
