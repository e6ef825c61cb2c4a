/** What a request at the sender consists of. */
import type { Ranks } from '../../protocol/fields.js';
import type { ReceiverPeer } from '../peers/receiver-peer.js';
import type { SourceMemory } from './source-memory.js';
import type { SourceChunk } from './transfer-task.js';

export interface RequestTask {
  readonly request: string;
  /** Undefined: the request is offered, and waits for `route`. */
  readonly route: Route | undefined;
  readonly memory: SourceMemory;
  readonly totalChunks: number;
  readonly timeoutMs: number;
  /** Session in which the request was put. */
  readonly session: string | undefined;
}

/** Where a request goes. */
export interface Route {
  readonly peer: ReceiverPeer;
  /** Undefined when the request has only one rank. */
  readonly ranks: Ranks | undefined;
  /** So many chunks at the beginning of the prompt do not travel. */
  readonly skip: number;
}

/** A batch as an engine has put it. */
export interface PutBatch {
  readonly batch: number;
  readonly last: boolean;
  readonly chunks: readonly SourceChunk[];
}

/** What is sent of a batch: `chunks`, without the `skipped` ones at its beginning. */
export interface Batch extends PutBatch {
  readonly skipped: number;
}

/** The number of chunks that travel, as far as it is known. */
export function chunksToSend(
  { totalChunks }: Pick<RequestTask, 'totalChunks'>,
  route: Pick<Route, 'skip'> | undefined,
) {
  return totalChunks - (route?.skip ?? 0);
}
