/** Chunks in the arena of a decode agent, under lease. */
import type { ClockPort } from '../ports/clock.js';
import { KvferryError } from '../protocol/errors.js';
import type { OperationReply } from '../protocol/operations.js';
import { shownKey } from '../protocol/shown-text.js';
import type { ArenaFile } from './arena-file.js';

/** Where a chunk lies in the arena file. Bytes. */
export interface ArenaPlace {
  readonly page: number;
  readonly offset: number;
  readonly length: number;
}

export type Arena = OperationReply<'acquire'>['arena'];

export interface Acquired {
  readonly arena: Arena;
  readonly places: ReadonlyMap<string, ArenaPlace>;
  readonly missing: readonly string[];
  /** By the clock of this process, in milliseconds: until then the leases hold for sure. */
  readonly leaseEndsMs: number;
}

export class AcquiredChunks implements AsyncDisposable {
  readonly arena: Arena;
  /** Every chunk that was found, by its key. */
  readonly places: ReadonlyMap<string, ArenaPlace>;
  /** Keys that were asked for and are not in the arena, or have not arrived: compute them. */
  readonly missing: readonly string[];
  readonly leaseEndsMs: number;
  /** Undefined when the arena is on a device. */
  readonly #file: ArenaFile | undefined;
  readonly #clock: ClockPort;
  readonly #release: () => Promise<void>;
  #isClosed = false;

  constructor(acquired: Acquired, file: ArenaFile | undefined, clock: ClockPort, release: () => Promise<void>) {
    this.arena = acquired.arena;
    this.places = acquired.places;
    this.missing = acquired.missing;
    this.leaseEndsMs = acquired.leaseEndsMs;
    this.#file = file;
    this.#clock = clock;
    this.#release = release;
  }

  /** May its pages still be read? Look after reading: bytes that were read later than that prove nothing. */
  get isLeased(): boolean {
    return !this.#isClosed && this.#clock.now() < this.leaseEndsMs;
  }

  /**
   * The bytes of a chunk, in a new buffer or at the start of `into`. Rejects `invalid_field` for a key that was not found,
   * `request_ended` when the lease was over before the bytes were read: they may be those of another chunk. Rejects
   * `receiver_lost` when the arena is gone, and `arena_unavailable` when it is on a device.
   */
  async read(key: string, into?: Uint8Array): Promise<Uint8Array> {
    const place = this.places.get(key);
    if (place === undefined)
      throw new KvferryError('invalid_field', `key ${shownKey(key)} was not acquired`, { field: 'key' });
    if (into !== undefined && into.length < place.length) {
      const message = `key ${shownKey(key)} has ${place.length} bytes, the buffer ${into.length}`;
      throw new KvferryError('invalid_field', message, { field: 'into' });
    }
    const file = this.#file;
    if (file === undefined) {
      const message = 'the arena is on a CUDA device: open arena.cuda with CUDA, and read at the offset in places';
      throw new KvferryError('arena_unavailable', message);
    }
    const bytes = into === undefined ? new Uint8Array(place.length) : into.subarray(0, place.length);
    if (!this.#isClosed) await file.read(bytes, place.offset);
    if (!this.isLeased)
      throw new KvferryError('request_ended', `the lease on key ${shownKey(key)} is over: acquire it again`);
    return bytes;
  }

  /** Closes the arena and gives back every lease of the holder, those of its other `acquire`s too. Rejects as the client does. */
  async release(): Promise<void> {
    await this.close();
    await this.#release();
  }

  /** Closes the arena and leaves the leases as they are: they expire, or the request acquires again. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
