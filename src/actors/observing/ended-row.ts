/** What `status` says of a request that has ended and is only remembered. */
import type { ClockPort } from '../../ports/clock.js';
import type { RequestRow } from '../../protocol/operations.js';
import type { HolderId } from '../../store/holder.js';
import type { Tombstone } from '../../store/tombstones.js';

export function endedRow(
  clock: ClockPort,
  side: RequestRow['side'],
  { request, epoch }: HolderId,
  { end, reason, atMs }: Tombstone,
): RequestRow {
  const ageMs = Math.round(clock.now() - atMs);
  const row: RequestRow = { request, epoch, side, state: 'ended', ageMs, batches: 0, chunks: 0, end };
  return reason === undefined ? row : { ...row, reason };
}
