/** What a transfer sends, and what it reports. */
import type { Failure, Ranks } from '../../protocol/fields.js';
import type { End } from '../../protocol/subjects.js';
import type { Connection, ReceiverPeer } from '../peers/receiver-peer.js';
import type { SourceMemory } from './source-memory.js';
import type { SourcePlace } from './source-place.js';
import type { TakenParts } from './taken-parts.js';

/** One chunk of the batch, and the place of its bytes at the sender. */
export interface SourceChunk extends SourcePlace {
  readonly key: string;
}

export interface TransferTask {
  readonly request: string;
  readonly batch: number;
  readonly last: boolean;
  readonly totalChunks: number;
  readonly ranks: Ranks | undefined;
  /** Chunks at the beginning of the batch that do not travel. `chunks` has the others. */
  readonly skipped: number;
  readonly chunks: readonly SourceChunk[];
  readonly peer: ReceiverPeer;
  readonly memory: SourceMemory;
  /** What this side has done with the chunks that were handed over to the request. */
  readonly parts: TakenParts;
  /** When the request expires, on the agent's clock. */
  readonly deadlineMs: number;
}

export interface AbortedTransfer {
  /** The connection of a write that may still land. Undefined when every write has ended. */
  readonly undrained: Connection | undefined;
  /** An `allocate` or `commit` of the transfer has no answer, so it may complete the request later. */
  readonly unanswered: boolean;
}

export interface TransferListener {
  committed(batch: number): void;
  aborted(batch: number, failure: Failure, outcome: AbortedTransfer): void;
  /** A message about the request is sent: from now on the receiver may know it. */
  mentioned(): void;
  /** The receiver answered that the request has ended. */
  ended(end: End, failure: Failure | null): void;
}
