/** Where the chunks of a batch lie, as `put` describes it: chunks at equal distances are one run. */
import type { SourceRun } from '../protocol/fields.js';
import type { SourceChunk } from './source-memory.js';

/** Describes the chunks in their order. Chunks of one run have one length and lie in one segment. */
export function sourceRuns(chunks: readonly SourceChunk[]): SourceRun[] {
  const runs: SourceRun[] = [];
  for (const { segment, offset, length } of chunks) {
    const run = runs.at(-1);
    if (run === undefined || run.segment !== segment || run.length !== length || !goesOn(run, offset)) {
      runs.push({ segment, offset, length, count: 1 });
      continue;
    }
    if (run.count === 1) run.stride = offset - run.offset;
    run.count += 1;
  }
  return runs;
}

/** A run of one chunk takes any chunk behind it; a longer run takes only the chunk at its distance. */
function goesOn({ offset: first, count, length, stride }: SourceRun, offset: number): boolean {
  if (count === 1) return offset >= first + length;
  return stride !== undefined && offset === first + count * stride;
}
