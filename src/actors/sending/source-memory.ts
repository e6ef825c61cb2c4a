/**
 * The memory that a sender reads: segments that engines attached, and staging pages that the agent lends to engines. It
 * counts the chunks in use, so that no segment is detached during a write and every staging page is returned exactly once.
 */
import type { SegmentSource } from '../../ports/fabric.js';
import type { Body } from '../../protocol/body.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { SourceRun } from '../../protocol/fields.js';
import { KEYS_PER_BATCH_MAX } from '../../protocol/limits.js';
import type { OperationReply, StatusReply } from '../../protocol/operations.js';
import { ownName, tenantOfName } from '../../protocol/tenants.js';
import type { AgentEnv } from '../env/agent-env.js';
import { type SegmentOwner, Segments } from './segments.js';
import { type Borrowed, SourceLoans } from './source-loans.js';
import type { SourcePlace } from './source-place.js';
import { type Borrower, StagingPool } from './staging-pool.js';

export class SourceMemory {
  readonly #env: AgentEnv;
  readonly #segments: Segments;
  readonly #loans = new SourceLoans();
  readonly #staging: StagingPool;

  constructor(env: AgentEnv) {
    this.#env = env;
    const { agent, staging } = env.options;
    this.#segments = new Segments(env);
    this.#staging = new StagingPool(`staging-${env.epoch}`, staging.pages, staging.pageBytes);
    this.stagingPath = `${staging.directory}/kvferry-${agent}-${env.epoch}-staging`;
  }

  readonly stagingPath: string;

  /** Creates the staging pages. */
  async open(): Promise<void> {
    const { name, pages, pageBytes } = this.#staging;
    if (pages > 0) await this.#env.fabric.createSegment(name, this.stagingPath, pages * pageBytes);
  }

  get staging(): { segment: string; path: string; pageBytes: number; pages: number } | undefined {
    const { name, pages, pageBytes } = this.#staging;
    return pages === 0 ? undefined : { segment: name, path: this.stagingPath, pageBytes, pages };
  }

  async attach(segment: string, source: SegmentSource, owner?: SegmentOwner): Promise<{ bytes: number }> {
    this.#refuseStaging(ownName(segment), 'segment_exists');
    return this.#segments.attach(segment, source, owner);
  }

  async detach(segment: string, owner?: SegmentOwner): Promise<Body<OperationReply<'detach'>>> {
    this.#refuseStaging(ownName(segment), 'segment_in_use');
    await this.#segments.detach(segment, owner);
    return {};
  }

  stage(borrower: Borrower, pages: number): Body<OperationReply<'stage'>> {
    const offsets = this.#staging.lend(borrower, pages);
    return { segment: this.#staging.name, path: this.stagingPath, pageBytes: this.#staging.pageBytes, offsets };
  }

  unstage(borrower: Borrower, offsets: readonly number[] | undefined): number {
    return this.#staging.giveBack(borrower, offsets);
  }

  /** The session has ended. What is in use follows when its chunks are released. */
  giveBack(session: string): void {
    this.#staging.giveBackAll(session);
    this.#segments.giveBack(session);
  }

  heldBy(session: string): { segments: number; stagingPages: number; chunksInUse: number } {
    const { segments, chunksOfOthers } = this.#segments.countOf(session);
    const chunksInUse = this.#loans.countOf(session) + chunksOfOthers;
    return { segments, stagingPages: this.#staging.lentTo(session), chunksInUse };
  }

  /** Which chunks the agent may still read. */
  get loans(): Pick<SourceLoans, 'has' | 'list'> {
    return this.#loans;
  }

  /**
   * The places of the chunks of a `put`, checked against the segments. Throws `segment_not_found`, `wrong_session`,
   * `segment_invalid`, `invalid_field` or `staging_not_lent`. Changes nothing.
   */
  places(
    source: readonly SourceRun[],
    count: number,
    { request, session }: { readonly request: string; readonly session: string | undefined },
  ): SourcePlace[] {
    const places: SourcePlace[] = [];
    const borrower = { tenant: tenantOfName(request), session };
    for (const [index, run] of source.entries()) {
      const segment = this.#isStaging({ segment: ownName(run.segment) }) ? this.#staging.name : run.segment;
      const bytes = this.#bytesOf(segment, session, `source[${index}].segment`);
      const stride = checkedStride(run, bytes, `source[${index}]`);
      if (places.length + run.count > KEYS_PER_BATCH_MAX) break;
      for (let chunk = 0; chunk < run.count; chunk += 1) {
        const { length, pieces } = run;
        const one = { segment, offset: run.offset + chunk * stride, length };
        const place: SourcePlace = pieces === undefined ? one : { ...one, pieces };
        if (this.#isStaging(place)) this.#staging.checkLent(place, borrower, `source[${index}]`);
        places.push(place);
      }
    }
    if (places.length !== count) {
      throw invalidField('source', `source names ${places.length} chunks for ${count} keys`);
    }
    const staged = places.filter((place) => this.#isStaging(place)).map((place) => place.offset);
    if (new Set(staged).size !== staged.length) {
      throw invalidField('source', 'source names a staging page twice');
    }
    return places;
  }

  /** The agent may read the chunks of this batch until `release`. */
  use(borrowed: Borrowed, places: readonly SourcePlace[]): void {
    this.#loans.add(borrowed, places);
    for (const place of places) {
      if (this.#isStaging(place)) this.#staging.take(place.offset);
      else this.#segments.use(place.segment);
    }
  }

  /** The agent does not read these positions of the batch any more. */
  release(request: string, batch: number, positions: readonly number[]): void {
    const { session, places } = this.#loans.release(request, batch, positions);
    for (const place of places) {
      if (this.#isStaging(place)) this.#staging.free(place.offset);
      else this.#segments.release(place.segment, session);
    }
  }

  sweep(nowMs: number): void {
    void this.#segments.sweep(nowMs);
  }

  rows(): StatusReply['segments'] {
    const { staging } = this;
    if (staging === undefined) return this.#segments.rows();
    const { segment, path, pages, pageBytes } = staging;
    const lent = { segment, path, bytes: pages * pageBytes, chunksInUse: this.#staging.counts().inUse };
    return [lent, ...this.#segments.rows()];
  }

  stagingCounts(): StatusReply['staging'] {
    return this.#staging.pages === 0 ? undefined : this.#staging.counts();
  }

  #isStaging({ segment }: { readonly segment: string }): boolean {
    return this.#staging.pages > 0 && segment === this.#staging.name;
  }

  #bytesOf(segment: string, session: string | undefined, field: string): number {
    const { pages, pageBytes } = this.#staging;
    return this.#isStaging({ segment }) ? pages * pageBytes : this.#segments.findSource(segment, session, field).bytes;
  }

  #refuseStaging(segment: string, code: 'segment_exists' | 'segment_in_use'): void {
    if (!this.#isStaging({ segment })) return;
    const message = `segment ${segment} holds the agent's staging pages and stays attached`;
    throw new KvferryError(code, message, { field: 'segment' });
  }
}

/** From one chunk of the run to the next. Throws `invalid_field` when the run does not lie in a segment of so many bytes. */
function checkedStride({ segment, offset, length, count, stride, pieces }: SourceRun, bytes: number, field: string) {
  const pieceBytes = length / (pieces?.count ?? 1);
  if (!Number.isInteger(pieceBytes)) {
    throw invalidField(
      `${field}.pieces.count`,
      `${length} bytes cannot be ${pieces?.count} equal pieces: length must be a multiple of it`,
    );
  }
  if (pieces !== undefined && pieces.stride < pieceBytes) {
    const message = `pieces of ${pieceBytes} bytes overlap ${pieces.stride} bytes apart: stride must be at least ${pieceBytes}`;
    throw invalidField(`${field}.pieces.stride`, message);
  }
  const chunkStride = stride ?? pieceBytes;
  const span = pieces === undefined ? length : (pieces.count - 1) * pieces.stride + pieceBytes;
  const end = offset + (count - 1) * chunkStride + span;
  if (end <= bytes) return chunkStride;
  const where = Number.isSafeInteger(end) ? `at byte ${end}` : `beyond byte ${Number.MAX_SAFE_INTEGER}`;
  const remedy = 'correct offset, length, count, stride or pieces';
  throw invalidField(field, `the run ends ${where}, but segment ${segment} has ${bytes} bytes: ${remedy}`);
}
