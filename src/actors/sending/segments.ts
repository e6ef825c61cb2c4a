/**
 * The segments of an agent: files that engines attached. A segment is the file itself, not its name or path: another file
 * under the same path is other memory.
 */
import type { SegmentFile, SegmentSource } from '../../ports/fabric.js';
import { toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import type { StatusReply } from '../../protocol/operations.js';
import { countOf, tenantOfName } from '../../protocol/tenants.js';
import type { AgentEnv } from '../env/agent-env.js';
import { checkQuota } from '../env/quota.js';

/** How often the agent looks whether the paths of its segments still lead to them. */
const LOOK_INTERVAL_MS = 5_000;
/** A segment outside a session whose file is gone is detached when it was unused for so long. */
const ABANDONED_MS = 10_000;

/** Of the segments that the agent takes: what one session may attach, what all engines without one may, and what any may. */
const SESSION_PART = 0.25;
const UNOWNED_PART = 0.5;
const PART_MIN = 16;

/** What an engine on another host, or in another container, has to know. */
const SHARED = 'engine and agent must see the same directory';

/** The session that attached a segment. */
export interface SegmentOwner {
  readonly id: string;
  readonly isOpen: boolean;
}

interface Segment extends SegmentFile {
  /** By what it was attached last: the same file may have several paths. */
  source: SegmentSource;
  chunksInUse: number;
  /** Those that were put before the session of today attached the segment. */
  chunksOfOthers: number;
  owner: SegmentOwner | undefined;
  /** Its session has ended: no further put may name it, and it is detached when no chunk of it is in use. */
  isLeaving: boolean;
  /** When the agent noticed that the path does not lead to this file any more. */
  removedAtMs: number | undefined;
  /** The path leads to another file: its engine was perhaps restarted, and means that file. */
  isReplaced: boolean;
}

export class Segments {
  readonly #env: AgentEnv;
  readonly #segments = new Map<string, Segment>();
  /** Names of segments, by the session that attached them last. */
  readonly #bySession = new Map<string, Set<string>>();
  /** Names of segments that no session has attached. */
  readonly #unowned = new Set<string>();
  /** Attaching and detaching of one name go one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Names of segments that are being attached. They count against every limit, and belong to their session already. */
  readonly #attaching = new Set<string>();
  #lookedMs = Number.NEGATIVE_INFINITY;
  #isLooking = false;

  constructor(env: AgentEnv) {
    this.#env = env;
  }

  /**
   * Resolves also when the same file is attached under this name already. Rejects `segment_not_found` when the path leads to no
   * file, before it says that another session holds the segment: no engine ends that session for a file that is not there. Rejects
   * `segment_exists` when another file is attached, `wrong_session` when another session holds the segment, and `segment_in_use`
   * when a session wants a segment that no session holds and that is in use.
   */
  attach(name: string, source: SegmentSource, owner: SegmentOwner | undefined): Promise<{ bytes: number }> {
    return this.#inTurn(name, async () => {
      const known = this.#segments.get(name);
      if (known !== undefined) return this.#attachAgain(name, known, source, owner);
      this.#refuseMore(name, owner);
      const { bytes, file } = await this.#open(name, source, owner);
      const state = {
        chunksInUse: 0,
        chunksOfOthers: 0,
        owner,
        isLeaving: false,
        removedAtMs: undefined,
        isReplaced: false,
      };
      this.#segments.set(name, { source, bytes, file, ...state });
      this.#env.logger.info({ segment: name, ...shown(source), bytes, session: owner?.id }, 'segment attached');
      return { bytes };
    });
  }

  async #open(name: string, source: SegmentSource, owner: SegmentOwner | undefined): Promise<SegmentFile> {
    this.#attaching.add(name);
    this.#belongs(name, owner);
    try {
      return await this.#env.fabric.attachSegment(name, source);
    } catch (error) {
      this.#belongsNoMore(name, owner);
      if (!isKvferryError(error)) throw error;
      const field = error.code === 'segment_exists' ? 'segment' : typeof source === 'string' ? 'path' : 'cuda';
      const message = error.code === 'segment_not_found' ? `${error.message}: ${SHARED}` : error.message;
      throw new KvferryError(error.code, message, { field, cause: error });
    } finally {
      this.#attaching.delete(name);
    }
  }

  #refuseMore(name: string, owner: SegmentOwner | undefined): void {
    const { agent, segmentsMax, tenantSegmentsMax: max } = this.#env.options;
    const tenant = tenantOfName(name);
    const count = () => countOf(tenant, this.#segments.keys()) + countOf(tenant, this.#attaching) + 1;
    checkQuota({ tenant, what: 'segments', setting: 'tenantSegmentsMax', max, count }, 'segment');
    const part = owner === undefined ? UNOWNED_PART : SESSION_PART;
    this.#refuseMoreOf(owner, Math.max(PART_MIN, Math.ceil(segmentsMax * part)));
    if (this.#segments.size + this.#attaching.size < segmentsMax) return;
    const message =
      `agent ${agent} has ${segmentsMax} segments attached and takes no more: detach what is not used, ` +
      'lay several regions into one file, or configure segmentsMax';
    throw new KvferryError('too_many_segments', message, { field: 'segment' });
  }

  /** One engine must not take the place of all others. Those without a session share one place. */
  #refuseMoreOf(owner: SegmentOwner | undefined, max: number): void {
    const names = owner === undefined ? this.#unowned : this.#bySession.get(owner.id);
    if ((names?.size ?? 0) < max) return;
    const whose = owner === undefined ? 'engines without a session have' : `session ${owner.id} has`;
    const message =
      `${whose} ${max} segments attached and may have no more: detach what is not used, ` +
      'lay several regions into one file, or configure segmentsMax, of which this is a share';
    throw new KvferryError('too_many_segments', message, { field: 'segment' });
  }

  detach(name: string, owner: SegmentOwner | undefined): Promise<void> {
    return this.#inTurn(name, async () => {
      const known = this.find(name, 'segment');
      const other = otherOwner(known, owner);
      if (other !== undefined) throw wrongSession('segment', name, other);
      if (known.chunksInUse > 0) throw inUse(name, known);
      await this.#drop(name, 'segment detached');
    });
  }

  /** The session has ended. Detaches its segments, those in use when their last chunk is released. */
  giveBack(session: string): void {
    for (const name of this.#bySession.get(session) ?? []) {
      const segment = this.#segments.get(name);
      if (segment === undefined) continue;
      segment.isLeaving = true;
      this.#dropIfUnused(name, segment);
    }
  }

  /** Throws `segment_not_found` when the segment is not attached, or leaves with its session. */
  find(name: string, field: string): Segment {
    const segment = this.#segments.get(name);
    if (segment !== undefined && !segment.isLeaving) return segment;
    throw new KvferryError('segment_not_found', `segment ${name} is not attached`, { field });
  }

  /**
   * For a put. Throws `wrong_session` when another session holds the segment: its `end` answers for all that is read of it. Throws `segment_invalid` when the path leads to another file, unless the session
   * that attached this one is open: that engine knows its memory.
   */
  findSource(name: string, session: string | undefined, field: string): Segment {
    const segment = this.find(name, field);
    if (segment.owner !== undefined && segment.owner.id !== session) throw wrongSession(field, name, segment.owner);
    if (!segment.isReplaced || segment.owner?.isOpen === true) return segment;
    const message = `segment ${name} was attached before ${segment.source} led to another file: detach it, attach it again, then put`;
    throw new KvferryError('segment_invalid', message, { field });
  }

  use(name: string): void {
    this.find(name, 'segment').chunksInUse += 1;
  }

  release(name: string, session: string | undefined): void {
    const segment = this.#segments.get(name);
    if (segment === undefined) return;
    segment.chunksInUse -= 1;
    if (segment.owner !== undefined && segment.owner.id !== session) segment.chunksOfOthers -= 1;
    if (segment.isLeaving) this.#dropIfUnused(name, segment);
  }

  /** Looks at intervals for segments whose file was removed or replaced, and detaches those that no engine needs. */
  async sweep(nowMs: number): Promise<void> {
    if (this.#isLooking || nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return;
    this.#isLooking = true;
    this.#lookedMs = nowMs;
    try {
      for (const name of [...this.#segments.keys()]) await this.#look(name);
    } catch (error) {
      this.#env.logger.warn({ code: toFailure(error).code, err: error }, 'segments not looked at');
    } finally {
      this.#isLooking = false;
    }
  }

  rows(): StatusReply['segments'] {
    const nowMs = this.#env.clock.now();
    return [...this.#segments].map(([segment, { source, bytes, chunksInUse, owner, removedAtMs }]) =>
      defined({
        ...{ segment, ...shown(source), bytes, chunksInUse, session: owner?.id },
        removedMs: removedAtMs === undefined ? undefined : Math.round(nowMs - removedAtMs),
      }),
    );
  }

  /** What a session has attached, and the chunks in it that others had put before. */
  countOf(session: string): { segments: number; chunksOfOthers: number } {
    const names = this.#bySession.get(session) ?? new Set<string>();
    let chunksOfOthers = 0;
    for (const name of names) chunksOfOthers += this.#segments.get(name)?.chunksOfOthers ?? 0;
    return { segments: names.size, chunksOfOthers };
  }

  async #attachAgain(name: string, known: Segment, source: SegmentSource, owner: SegmentOwner | undefined) {
    const now = await this.#env.fabric.identify(source);
    if (now === undefined && typeof source === 'string') {
      const message = `segment ${name}: ${source} leads to no file that this agent may attach: ${SHARED}`;
      throw new KvferryError('segment_not_found', message, { field: 'path' });
    }
    const other = otherOwner(known, owner);
    if (now?.file !== known.file || now.bytes !== known.bytes) {
      // What another path leads to says nothing about the file of this segment.
      const own = source === known.source ? now : await this.#env.fabric.identify(known.source);
      known.isReplaced = isOther(own, known);
      const details = defined({ session: other?.id });
      const message = `segment ${name} is attached to ${typeof source === 'string' ? `another file than ${source} leads to` : 'other memory'}: detach it first, or use another name`;
      throw new KvferryError('segment_exists', message, { field: 'segment', details });
    }
    if (other !== undefined) throw wrongSession('segment', name, other);
    if (known.owner?.id !== owner?.id) this.#changeOwner(name, known, owner);
    known.source = source;
    known.isLeaving = false;
    known.isReplaced = false;
    known.removedAtMs = undefined;
    return { bytes: known.bytes };
  }

  /** Requests of an ended session are over. Others may still become ready with what the engine of the session writes. */
  #changeOwner(name: string, known: Segment, owner: SegmentOwner | undefined): void {
    if (known.owner === undefined && known.chunksInUse > 0) throw inUse(name, known);
    this.#belongsNoMore(name, known.owner);
    this.#belongs(name, owner);
    known.owner = owner;
    known.chunksOfOthers = known.chunksInUse;
  }

  async #look(name: string): Promise<void> {
    const segment = this.#segments.get(name);
    if (segment === undefined) return;
    const { source } = segment;
    const now = await this.#env.fabric.identify(source);
    const nowMs = this.#env.clock.now();
    segment.isReplaced = isOther(now, segment);
    if (now?.file === segment.file) {
      segment.removedAtMs = undefined;
      return;
    }
    if (segment.removedAtMs === undefined) {
      segment.removedAtMs = nowMs;
      this.#env.counters.add('segments_removed');
      this.#env.logger.warn({ segment: name, ...shown(source), bytes: segment.bytes }, 'file of a segment is gone');
    }
    const isAbandoned = segment.owner?.isOpen !== true && nowMs - segment.removedAtMs >= ABANDONED_MS;
    if (!isAbandoned || segment.chunksInUse > 0) return;
    segment.isLeaving = true;
    this.#dropIfUnused(name, segment);
  }

  #dropIfUnused(name: string, segment: Segment): void {
    if (segment.chunksInUse > 0) return;
    void this.#inTurn(name, async () => {
      // An engine may have attached it again since.
      if (this.#segments.get(name) !== segment || !segment.isLeaving || segment.chunksInUse > 0) return;
      this.#env.counters.add('segments_given_back');
      await this.#drop(name, 'segment given back');
    }).catch((error: unknown) => {
      this.#env.logger.error({ segment: name, code: toFailure(error).code, err: error }, 'segment not detached');
    });
  }

  async #drop(name: string, message: string): Promise<void> {
    this.#belongsNoMore(name, this.#segments.get(name)?.owner);
    this.#segments.delete(name);
    await this.#env.fabric.detachSegment(name);
    this.#env.logger.info({ segment: name }, message);
  }

  #belongs(name: string, owner: SegmentOwner | undefined): void {
    if (owner === undefined) {
      this.#unowned.add(name);
      return;
    }
    this.#bySession.set(owner.id, (this.#bySession.get(owner.id) ?? new Set()).add(name));
  }

  #belongsNoMore(name: string, owner: SegmentOwner | undefined): void {
    if (owner === undefined) {
      this.#unowned.delete(name);
      return;
    }
    const names = this.#bySession.get(owner.id);
    names?.delete(name);
    if (names?.size === 0) this.#bySession.delete(owner.id);
  }

  #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    const done = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(name) === done) this.#turns.delete(name);
      });
    this.#turns.set(name, done);
    return turn;
  }
}

/** For people. A handle is the right to read, so it is not shown. */
function shown(source: SegmentSource): { path: string } | { device: string } {
  return typeof source === 'string' ? { path: source } : { device: source.device };
}

function isOther(now: SegmentFile | undefined, { file }: SegmentFile): boolean {
  return now !== undefined && now.file !== file;
}

/** Another open session that holds the segment. */
function otherOwner({ owner }: Segment, asking: SegmentOwner | undefined): SegmentOwner | undefined {
  return owner?.isOpen === true && owner.id !== asking?.id ? owner : undefined;
}

function inUse(name: string, { chunksInUse }: Segment): KvferryError {
  const message = `segment ${name} is in use by ${chunksInUse} chunks: wait until they are released`;
  return new KvferryError('segment_in_use', message, { field: 'segment' });
}

function wrongSession(field: string, name: string, { id }: SegmentOwner): KvferryError {
  const message = `segment ${name} belongs to session ${id}: use it in that session, or end that session first`;
  return new KvferryError('wrong_session', message, { field, details: { session: id } });
}
