/**
 * The memory that a sender reads: segments that engines attached, and staging pages that the agent lends to engines. It
 * counts the chunks in use, so that no segment is detached during a write and every staging page is returned exactly once.
 */
import type { Body } from '../../protocol/body.js';
import { invalidField, isKvferryError, KvferryError } from '../../protocol/errors.js';
import type { SourceRun } from '../../protocol/fields.js';
import { KEYS_PER_BATCH_MAX } from '../../protocol/limits.js';
import type { OperationReply, StatusReply } from '../../protocol/operations.js';
import type { AgentEnv } from '../env/agent-env.js';

interface Segment {
  readonly path: string;
  readonly bytes: number;
  chunksInUse: number;
}

/** The place of one chunk. */
export interface SourcePlace {
  readonly segment: string;
  readonly offset: number;
  readonly length: number;
}

export class SourceMemory {
  readonly #env: AgentEnv;
  readonly #segments = new Map<string, Segment>();
  readonly #staging: StagingPool;
  #attaching = 0;

  constructor(env: AgentEnv) {
    this.#env = env;
    const { agent, staging } = env.options;
    this.#staging = new StagingPool(`staging-${env.epoch}`, staging.pages, staging.pageBytes);
    this.stagingPath = `${staging.directory}/kvferry-${agent}-${env.epoch}-staging`;
  }

  readonly stagingPath: string;

  /** Creates the staging pages. */
  async open(): Promise<void> {
    const { name, pages, pageBytes } = this.#staging;
    if (pages === 0) return;
    await this.#env.fabric.createSegment(name, this.stagingPath, pages * pageBytes);
    this.#segments.set(name, { path: this.stagingPath, bytes: pages * pageBytes, chunksInUse: 0 });
  }

  get staging(): { segment: string; path: string; pageBytes: number; pages: number } | undefined {
    const { name, pages, pageBytes } = this.#staging;
    return pages === 0 ? undefined : { segment: name, path: this.stagingPath, pageBytes, pages };
  }

  async attach(segment: string, path: string): Promise<{ bytes: number }> {
    this.#refuseMore(segment);
    this.#attaching += 1;
    try {
      return await this.#attach(segment, path);
    } finally {
      this.#attaching -= 1;
    }
  }

  async #attach(segment: string, path: string): Promise<{ bytes: number }> {
    const { bytes } = await this.#env.fabric.attachSegment(segment, path).catch((error: unknown) => {
      if (!isKvferryError(error)) throw error;
      const field = error.code === 'segment_exists' ? 'segment' : 'path';
      throw new KvferryError(error.code, error.message, { field, cause: error });
    });
    this.#segments.set(segment, { path, bytes, chunksInUse: 0 });
    this.#env.logger.info({ segment, path, bytes }, 'segment attached');
    return { bytes };
  }

  async detach(segment: string): Promise<Body<OperationReply<'detach'>>> {
    const known = this.#segment(segment, 'segment');
    const isStaging = segment === this.#staging.name;
    if (isStaging || known.chunksInUse > 0) {
      const message = isStaging
        ? `segment ${segment} holds the agent's staging pages and stays attached`
        : `segment ${segment} is in use by ${known.chunksInUse} chunks: wait until they are released`;
      throw new KvferryError('segment_in_use', message, { field: 'segment' });
    }
    this.#segments.delete(segment);
    await this.#env.fabric.detachSegment(segment);
    this.#env.logger.info({ segment }, 'segment detached');
    return {};
  }

  stage(holder: string, pages: number): Body<OperationReply<'stage'>> {
    const offsets = this.#staging.lend(holder, pages);
    return { segment: this.#staging.name, path: this.stagingPath, pageBytes: this.#staging.pageBytes, offsets };
  }

  unstage(holder: string, offsets: readonly number[] | undefined): number {
    return this.#staging.giveBack(holder, offsets);
  }

  /**
   * The places of the chunks of a `put`, checked against the segments. Throws `segment_not_found`, `invalid_field` or
   * `staging_not_lent`. Changes nothing.
   */
  places(source: readonly SourceRun[], count: number): SourcePlace[] {
    const places: SourcePlace[] = [];
    for (const [index, run] of source.entries()) {
      const segment = this.#segment(run.segment, `source[${index}].segment`);
      const stride = run.stride ?? run.length;
      const end = run.offset + (run.count - 1) * stride + run.length;
      if (end > segment.bytes) {
        const message = `the run ends at byte ${end}, but segment ${run.segment} has ${segment.bytes} bytes`;
        throw invalidField(`source[${index}]`, message);
      }
      if (places.length + run.count > KEYS_PER_BATCH_MAX) break;
      for (let chunk = 0; chunk < run.count; chunk += 1) {
        const place = { segment: run.segment, offset: run.offset + chunk * stride, length: run.length };
        if (run.segment === this.#staging.name) this.#staging.checkLent(place, `source[${index}]`);
        places.push(place);
      }
    }
    if (places.length !== count) {
      throw invalidField('source', `source names ${places.length} chunks for ${count} keys`);
    }
    const staged = places.filter((place) => place.segment === this.#staging.name).map((place) => place.offset);
    if (new Set(staged).size !== staged.length) {
      throw invalidField('source', 'source names a staging page twice');
    }
    return places;
  }

  /** The agent may read these chunks until `release`. */
  use(places: readonly SourcePlace[]): void {
    for (const { segment, offset } of places) {
      this.#segment(segment, 'segment').chunksInUse += 1;
      if (segment === this.#staging.name) this.#staging.take(offset);
    }
  }

  /** The agent does not read these chunks any more. Call it once for each place given to `use`. */
  release(places: readonly SourcePlace[]): void {
    for (const { segment, offset } of places) {
      this.#segment(segment, 'segment').chunksInUse -= 1;
      if (segment === this.#staging.name) this.#staging.free(offset);
    }
  }

  rows(): StatusReply['segments'] {
    return [...this.#segments].map(([segment, state]) => ({ segment, ...state }));
  }

  stagingCounts(): StatusReply['staging'] {
    return this.#staging.pages === 0 ? undefined : this.#staging.counts();
  }

  #refuseMore(segment: string): void {
    const { agent, segmentsMax } = this.#env.options;
    const own = this.#staging.pages === 0 ? 0 : 1;
    if (this.#segments.has(segment) || this.#segments.size - own + this.#attaching < segmentsMax) return;
    const message =
      `agent ${agent} has ${segmentsMax} segments attached and takes no more: detach what is not used, ` +
      'lay several regions into one file, or configure segmentsMax';
    throw new KvferryError('too_many_segments', message, { field: 'segment' });
  }

  #segment(name: string, field: string): Segment {
    const segment = this.#segments.get(name);
    if (segment === undefined)
      throw new KvferryError('segment_not_found', `segment ${name} is not attached`, { field });
    return segment;
  }
}

/**
 * Pages of the agent's own memory that it lends to engines. A page is free, lent (the engine fills it), or in use (from
 * the `put` that names it until its bytes are sent). A lent page never times out: a slow engine would then write into
 * the chunk of another one.
 */
class StagingPool {
  readonly name: string;
  readonly pages: number;
  readonly pageBytes: number;
  readonly #free: number[];
  readonly #lent = new Map<number, string>();
  readonly #inUse = new Set<number>();

  constructor(name: string, pages: number, pageBytes: number) {
    this.name = name;
    this.pages = pages;
    this.pageBytes = pageBytes;
    this.#free = Array.from({ length: pages }, (_, index) => (pages - 1 - index) * pageBytes);
  }

  lend(holder: string, count: number): number[] {
    if (count > this.#free.length) {
      const message = `${count} staging pages requested, but only ${this.#free.length} of ${this.pages} are free`;
      throw new KvferryError('staging_exhausted', message, { field: 'pages' });
    }
    const offsets = this.#free.splice(-count).reverse();
    for (const offset of offsets) this.#lent.set(offset, holder);
    return offsets;
  }

  giveBack(holder: string, offsets: readonly number[] | undefined): number {
    const mine = offsets ?? [...this.#lent].filter(([, name]) => name === holder).map(([offset]) => offset);
    const seen = new Set<number>();
    const wrong = mine.findIndex((offset) => this.#lent.get(offset) !== holder || seen.size === seen.add(offset).size);
    if (wrong >= 0) {
      throw new KvferryError('staging_not_lent', `staging page at ${mine[wrong]} is not lent to ${holder}`, {
        field: `offsets[${wrong}]`,
      });
    }
    for (const offset of mine) {
      this.#lent.delete(offset);
      this.#free.push(offset);
    }
    return mine.length;
  }

  checkLent({ offset, length }: SourcePlace, field: string): void {
    if (!this.#lent.has(offset)) {
      throw new KvferryError(
        'staging_not_lent',
        `the staging page at ${offset} is not lent: request it with stage first`,
        { field },
      );
    }
    if (length > this.pageBytes) {
      throw invalidField(field, `${length} bytes do not fit a staging page of ${this.pageBytes} bytes`);
    }
  }

  take(offset: number): void {
    this.#lent.delete(offset);
    this.#inUse.add(offset);
  }

  free(offset: number): void {
    if (this.#inUse.delete(offset)) this.#free.push(offset);
  }

  counts(): { total: number; free: number; lent: number; inUse: number } {
    return { total: this.pages, free: this.#free.length, lent: this.#lent.size, inUse: this.#inUse.size };
  }
}
