/** Writes on their way to the addon, and their outcomes on the way back. */
import type { FabricWrite, FabricWriteErrorCode, WriteItem, WriteOutcome } from '../ports/fabric.js';
import type { AttachedSegment, AttachedSegments } from './attached-segments.js';
import type { Completion } from './completions.js';

/** Segment, source offset, length, length of a piece, stride, target offset. */
const NUMBERS_PER_ITEM = 6;
const ITEMS_AT_FIRST = 64;

export interface PackedItems {
  /** The items as `NativeEngine.write` takes them. The next call of `pack` uses the array again. */
  readonly numbers: Float64Array;
  readonly segments: ReadonlySet<AttachedSegment>;
}

/** Checks and packs the items of writes. */
export class ItemPacker {
  readonly #attached: AttachedSegments;
  #numbers = new Float64Array(ITEMS_AT_FIRST * NUMBERS_PER_ITEM);

  constructor(attached: AttachedSegments) {
    this.#attached = attached;
  }

  /** An invalid item makes a write that has failed. */
  pack(items: readonly WriteItem[]): PackedItems | FabricWrite {
    const needed = items.length * NUMBERS_PER_ITEM;
    if (this.#numbers.length < needed) this.#numbers = new Float64Array(needed);
    const numbers = this.#numbers;
    const segments = new Set<AttachedSegment>();
    let at = 0;
    for (const item of items) {
      const segment = this.#attached.find(item.segment);
      if (segment === undefined) return failedWrite('segment_invalid', `segment ${item.segment} is not attached`);
      const { count, stride } = item.pieces ?? { count: 1, stride: item.length };
      if (!isSize(item.sourceOffset) || !isSize(item.length)) {
        const range = `${item.sourceOffset}+${item.length}`;
        return failedWrite('segment_invalid', `segment ${item.segment} has no range ${range}`);
      }
      const pieceBytes = item.length / count;
      if (!isSize(count) || !isSize(pieceBytes) || !isSize(stride)) {
        const pieces = `${count} pieces every ${stride} bytes`;
        return failedWrite('segment_invalid', `segment ${item.segment}: ${item.length} bytes are not ${pieces}`);
      }
      if (!isSize(item.targetOffset)) {
        return failedWrite('write_rejected', `target offset ${item.targetOffset} is outside the arena`);
      }
      segments.add(segment);
      numbers[at++] = segment.handle;
      numbers[at++] = item.sourceOffset;
      numbers[at++] = item.length;
      numbers[at++] = pieceBytes;
      numbers[at++] = stride;
      numbers[at++] = item.targetOffset;
    }
    return { numbers, segments };
  }
}

const writeErrorCodes: readonly FabricWriteErrorCode[] = [
  'write_rejected',
  'connection_lost',
  'segment_invalid',
  'fabric_error',
];

/** `nameOf` finds a segment by its handle, which is 0 when the failure is about no segment. */
export function toOutcome(completion: Completion, nameOf: (handle: number) => string | undefined): WriteOutcome {
  const { bytes, drained } = completion;
  if (completion.code === 'ok') {
    return completion.stopped ? { status: 'stopped', bytes, drained } : { status: 'delivered', bytes };
  }
  // A fabric that closes ends its connections. Callers know no other code than these four.
  const code =
    completion.code === 'closed'
      ? 'connection_lost'
      : (writeErrorCodes.find((known) => known === completion.code) ?? 'fabric_error');
  const segment = nameOf(completion.handle);
  const message = segment === undefined ? completion.message : `segment ${segment}: ${completion.message}`;
  return { status: 'failed', bytes, drained, code, message };
}

/** A write of which nothing was posted. */
export function failedWrite(code: FabricWriteErrorCode, message: string): FabricWrite {
  const outcome: WriteOutcome = { status: 'failed', bytes: 0, drained: true, code, message };
  return { done: Promise.resolve(outcome), stop: () => undefined };
}

export function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
