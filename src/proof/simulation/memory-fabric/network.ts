/**
 * The fabric in memory: one network, any number of fabrics, time from the injected clock, and no randomness.
 *
 * Files are byte arrays by path, so a test writes segments and reads arenas as engines do. `fate` decides what happens
 * to each slice of a write. A held slice lands when it is released, even if its sender has given up long before: that
 * is the late writer against which grants are revoked.
 */
import type { ClockPort } from '../../../ports/clock.js';
import type { FabricWriteErrorCode, Provider } from '../../../ports/fabric.js';
import { KvferryError } from '../../../protocol/errors.js';
import type { MemoryConnection } from './connection.js';
import { MemoryFabric } from './fabric.js';
import type { EndedConnection, HeldWrites, MemoryFabricOptions, MemorySlice, SliceFate, WriteFault } from './slice.js';

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
  /** Paths that exist and are not files. */
  readonly directories = new Set<string>();
  /** Most bytes that all files together may take. Checked when a fabric creates a file. */
  roomBytes = Number.POSITIVE_INFINITY;
  /** Decides what happens to each slice when it is posted. Default: delivered at once. */
  fate: (slice: MemorySlice) => SliceFate = () => delivered;
  /** Called for every slice that arrives, after its bytes were written or rejected. */
  landed: (slice: MemorySlice, accepted: boolean) => void = () => undefined;
  /** Called for every connection that breaks or is closed, before its writes are given up. */
  ended: (connection: EndedConnection) => void = () => undefined;
  /** What every fabric offers, best first. */
  providers: readonly Provider[] = ['memory'];
  /** Whether `from` can connect to `to`. If not, connecting times out. */
  reachable: (from: string, to: string, provider: Provider) => boolean = () => true;

  /** Grants that were revoked, in order. */
  readonly revoked: string[] = [];
  /** A revocation takes effect when this resolves. */
  revoking: (address: string) => Promise<void> = () => Promise.resolve();

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

  /** Opens a fabric for one life of one agent. `name` must differ from that of every open fabric. */
  open(name: string): MemoryFabric {
    if (this.#fabrics.has(name)) throw new KvferryError('internal', `fabric ${name} is open already`);
    const fabric = new MemoryFabric(this, name, this.#options);
    this.#fabrics.set(name, fabric);
    return fabric;
  }

  /** Holds the slices that `which` chooses, if they are posted from now on. `fate` is not asked for them. */
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

  /** Ends the next write of any connection like this, with nothing landed. */
  failNextWrite(fault: WriteFault): void {
    this.#writeFaults.push(fault);
  }

  /** Makes the next write of any connection throw, as a bug of the fabric would. */
  throwOnNextWrite(error: Error): void {
    this.#bugs.push(error);
  }

  /** Delays the effect and the answer of every revocation until the returned `release` is called. */
  holdRevocations(): { release(): void } {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.revoking = () => held;
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

  /** Lets the held slices land that `which` chooses. */
  release(which: (slice: MemorySlice) => boolean = () => true): void {
    const chosen = this.#held.filter(({ slice }) => which(slice));
    this.#held = this.#held.filter((held) => !chosen.includes(held));
    for (const { land } of chosen) land();
  }

  /** Breaks connections as a network does: slices on their way can still land. */
  breakConnections(which: (from: string, to: string) => boolean = () => true): void {
    for (const connection of [...this.#connections]) {
      if (which(connection.from, connection.to)) connection.lose('the connection broke', false);
    }
  }

  /**
   * Ends a fabric as SIGKILL does: its files stay, its slices on their way can still land, and no outcome is reported.
   */
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

  /** Sends a slice on its way. Calls exactly one of the callbacks, later. */
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
        if (fate.landsAfterMs !== undefined) this.clock.setTimeout(land, fate.landsAfterMs);
        return;
    }
  }
}
