import type { FabricWriteErrorCode, WriteItem, WriteOutcome } from '../../../ports/fabric.js';

export interface WriteFailure {
  readonly code: FabricWriteErrorCode;
  readonly message: string;
}

/** The progress of one write. Its outcome is reported when nothing is outstanding and nothing more will be posted. */
export class MemoryWrite {
  readonly done: Promise<WriteOutcome>;
  readonly #items: readonly WriteItem[];
  #resolve: (outcome: WriteOutcome) => void = () => undefined;
  #item = 0;
  #within = 0;
  #outstanding = 0;
  #bytes = 0;
  #stopped = false;
  #drained = true;
  #failure: WriteFailure | undefined;
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

  get targetOffsets(): number[] {
    return this.#items.map(({ targetOffset }) => targetOffset);
  }

  /** What to post next: bytes that lie in one piece. Call only when `hasMore`. */
  peek(sliceBytes: number): WriteItem {
    const { segment, sourceOffset, targetOffset, length, pieces } = this.#items[this.#item] as WriteItem;
    const pieceBytes = length / (pieces?.count ?? 1);
    const inPiece = this.#within % pieceBytes;
    const piece = (this.#within - inPiece) / pieceBytes;
    return {
      segment,
      sourceOffset: sourceOffset + piece * (pieces?.stride ?? 0) + inPiece,
      targetOffset: targetOffset + this.#within,
      length: Math.min(pieceBytes - inPiece, sliceBytes),
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

  completed(bytes: number, failure?: WriteFailure): void {
    this.#outstanding -= 1;
    this.#bytes += bytes;
    if (failure !== undefined) this.fail(failure);
    this.report();
  }

  stop(): void {
    if (this.hasMore) this.#stopped = true;
    this.report();
  }

  fail(failure: WriteFailure): void {
    this.#failure ??= failure;
  }

  /** Ends the write although slices are outstanding, because their completions will not arrive. */
  giveUp(failure: WriteFailure, drained: boolean): void {
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
