/** Cuts the chunks of a `put` into batches whose messages NATS carries. */
import type { Ranks } from '../protocol/fields.js';
import { KEYS_PER_BATCH_MAX, RANKS_BYTES_MAX } from '../protocol/limits.js';
import { inMessages, jsonBytes } from '../protocol/message-room.js';
import type { SourceChunk } from './source-memory.js';
import { sourceRuns } from './source-runs.js';

/** What a `put`, and the `allocate` that follows from it, take at most apart from keys, places and ranks. */
const FRAME_BYTES = 800;
/** What the place of a chunk takes at most, when it is a run of its own. */
const RUN_BYTES_MAX = 160;
const PIECES_BYTES_MAX = 60;

/** One batch if it fits into a message of `messageBytesMax` bytes, otherwise several, in order. `isOffer`: it names no receiver. */
export function cutIntoBatches(
  chunks: readonly SourceChunk[],
  ranks: Ranks | undefined,
  messageBytesMax: number,
  isOffer: boolean,
): SourceChunk[][] {
  const bytesMax = messageBytesMax - FRAME_BYTES - (isOffer ? RANKS_BYTES_MAX : 0);
  const whole = { keys: chunks.map(({ key }) => key), source: sourceRuns(chunks), ranks };
  if (chunks.length <= KEYS_PER_BATCH_MAX && jsonBytes(whole) <= bytesMax) return [[...chunks]];
  const bytesOf = ({ key, pieces }: SourceChunk) =>
    jsonBytes(key) + RUN_BYTES_MAX + (pieces === undefined ? 0 : PIECES_BYTES_MAX);
  return inMessages(chunks, KEYS_PER_BATCH_MAX, bytesOf, bytesMax - jsonBytes({ ranks }));
}
