/** The names of the segments that are attached to a fabric. */
import type { SegmentFile, WriteOutcome } from '../ports/fabric.js';
import { KvferryError } from '../protocol/errors.js';
import type { AttachedFile } from './native.js';
import { describedAs } from './native-errors.js';

export interface AttachedSegment {
  readonly handle: number;
  /** Writes that read the segment. */
  readonly writes: Set<Promise<WriteOutcome>>;
  detaching: boolean;
}

export class AttachedSegments {
  /** A name is taken as soon as attaching begins. `undefined` while it lasts. */
  readonly #segments = new Map<string, AttachedSegment | undefined>();

  /** Undefined when the segment is not attached, or is being detached. */
  find(name: string): AttachedSegment | undefined {
    const segment = this.#segments.get(name);
    return segment?.detaching === true ? undefined : segment;
  }

  nameOf(handle: number): string | undefined {
    return [...this.#segments].find(([, segment]) => segment?.handle === handle)?.[0];
  }

  /** Rejects `segment_exists`, or what `attach` rejects. */
  async add(name: string, attach: () => Promise<AttachedFile>): Promise<SegmentFile> {
    if (this.#segments.has(name)) throw new KvferryError('segment_exists', `segment ${name} is attached already`);
    this.#segments.set(name, undefined);
    try {
      const { handle, file, bytes } = await attach();
      this.#segments.set(name, { handle, writes: new Set(), detaching: false });
      return { file, bytes };
    } catch (error) {
      this.#segments.delete(name);
      throw describedAs(`segment ${name}`, error);
    }
  }

  /** Waits for the segment's writes, frees its name, and resolves with its handle. Rejects `segment_not_found`. */
  async remove(name: string): Promise<number> {
    const segment = this.find(name);
    if (segment === undefined) throw new KvferryError('segment_not_found', `segment ${name} is not attached`);
    segment.detaching = true;
    await Promise.all(segment.writes);
    this.#segments.delete(name);
    return segment.handle;
  }

  clear(): void {
    this.#segments.clear();
  }
}
