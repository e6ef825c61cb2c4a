import type { ClockPort } from '../../../ports/clock.js';
import type {
  FabricConnection,
  FabricGrant,
  FabricWrite,
  FabricWriteErrorCode,
  Provider,
  WriteItem,
  WriteOutcome,
} from '../../../ports/fabric.js';
import type { EndedConnection, MemoryFabricOptions, MemorySlice, WriteFault } from './slice.js';
import { MemoryWrite, type WriteFailure } from './write.js';

export interface MemorySegment {
  readonly path: string;
  readonly bytes: number;
  /** The fabric created the file and removes it. */
  readonly own: boolean;
  readonly writes: Set<Promise<WriteOutcome>>;
  detaching: boolean;
}

/** The fabric at the sender's end of a connection. */
interface WriteSource {
  readonly name: string;
  /** Undefined when the segment is not attached, or is being detached. */
  segment(name: string): MemorySegment | undefined;
  /** The sender's process reads a completion: now, or when it continues after SIGSTOP. */
  arrive(read: () => void): void;
  forget(connection: MemoryConnection): void;
}

/** The fabric at the receiver's end of a connection. */
interface WriteTarget {
  readonly name: string;
  readonly arenaBytes: number;
  /** Checks the token and the range, and writes the bytes. False: rejected. */
  land(token: string, targetOffset: number, bytes: Uint8Array): boolean;
}

/** What a connection uses of its network. */
export interface ConnectionNetwork {
  readonly clock: ClockPort;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly landed: (slice: MemorySlice, accepted: boolean) => void;
  readonly ended: (connection: EndedConnection) => void;
  /** Registers a connection. The returned function removes it. */
  add(connection: MemoryConnection): () => void;
  takeWriteFault(): WriteFault | undefined;
  carry(slice: MemorySlice, land: () => void, fail: (code: FabricWriteErrorCode) => void, lose: () => void): void;
}

export class MemoryConnection implements FabricConnection {
  readonly provider: Provider;
  readonly detail = 'in memory';
  readonly from: string;
  readonly to: string;
  readonly #network: ConnectionNetwork;
  readonly #sender: WriteSource;
  readonly #receiver: WriteTarget;
  readonly #grant: FabricGrant;
  readonly #options: MemoryFabricOptions;
  readonly #remove: () => void;
  /** Writes without an outcome. Each posts a slice in turn. */
  #writes: MemoryWrite[] = [];
  #outstandingBytes = 0;
  #lost: WriteFailure | undefined;

  constructor(
    network: ConnectionNetwork,
    sender: WriteSource,
    receiver: WriteTarget,
    grant: FabricGrant,
    options: MemoryFabricOptions,
  ) {
    this.#network = network;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#grant = grant;
    this.#options = options;
    this.provider = grant.provider;
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

  /** Used by the network and the fabrics. `drained`: no slice on its way can land. */
  lose(message: string, drained: boolean): void {
    if (this.#lost !== undefined) return;
    this.#lost = { code: 'connection_lost', message };
    const writes = this.#writes.splice(0).filter(({ reported }) => !reported);
    const targetOffsets = writes.flatMap((write) => write.targetOffsets);
    this.#network.ended({ to: this.to, grantId: this.#grant.id, targetOffsets });
    for (const write of writes) write.giveUp(this.#lost, drained);
    this.#remove();
    this.#sender.forget(this);
  }

  /** The sender's process is dead: nothing more is posted, and no outcome is reported. */
  vanish(): void {
    this.#writes = [];
    this.lose('the sender is dead', false);
  }

  #invalid(items: readonly WriteItem[]): WriteFailure | undefined {
    for (const item of items) {
      const { segment: name, sourceOffset, targetOffset, length } = item;
      const segment = this.#sender.segment(name);
      if (segment === undefined || !isSource(item, segment.bytes)) {
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
    const end = (failure?: WriteFailure) => {
      this.#outstandingBytes -= slice.length;
      if (this.#lost !== undefined) return;
      write.completed(failure === undefined ? slice.length : 0, failure);
      this.#post();
    };
    const carried: MemorySlice = {
      ...slice,
      provider: this.provider,
      from: this.from,
      to: this.to,
      grantId: this.#grant.id,
    };
    this.#network.carry(
      carried,
      () => {
        // While the connection is open, the fabric may read the source as late as this. Afterwards, it has read it
        // before.
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

function isSource({ sourceOffset, length, pieces }: WriteItem, bytes: number): boolean {
  if (pieces === undefined || length === 0) return isRange(sourceOffset, length, bytes);
  const { count, stride } = pieces;
  const pieceBytes = length / count;
  if (![count, pieceBytes, stride].every((number) => Number.isSafeInteger(number) && number > 0)) return false;
  return stride >= pieceBytes && isRange(sourceOffset, (count - 1) * stride + pieceBytes, bytes);
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
