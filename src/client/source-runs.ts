/** Where the chunks of a batch lie, as `put` describes it: chunks at equal distances are one run. */
import type { SourceRun } from '../protocol/fields.js';
import type { SourceChunk } from './source-memory.js';

/** Describes the chunks in their order. Chunks of one run have one length and lie in one segment. */
export function sourceRuns(chunks: readonly SourceChunk[]): SourceRun[] {
  const runs: SourceRun[] = [];
  for (const chunk of chunks) {
    const { segment, offset, length, pieces } = chunk;
    const run = runs.at(-1);
    if (run === undefined || !isAlike(run, chunk) || !goesOn(run, offset)) {
      const one = { segment, offset, length, count: 1 };
      runs.push(pieces === undefined ? one : { ...one, pieces });
      continue;
    }
    if (run.count === 1) run.stride = offset - run.offset;
    run.count += 1;
  }
  return runs;
}

function isAlike(run: SourceRun, { segment, length, pieces }: SourceChunk): boolean {
  const alike = run.pieces?.count === pieces?.count && run.pieces?.stride === pieces?.stride;
  return alike && run.segment === segment && run.length === length;
}

/** A run of one chunk takes any chunk behind it, or behind its first piece; a longer run takes only the chunk at its distance. */
function goesOn({ offset: first, count, length, stride, pieces }: SourceRun, offset: number): boolean {
  if (count === 1) return offset >= first + length / (pieces?.count ?? 1);
  return stride !== undefined && offset === first + count * stride;
}
