/** The row of `status` for a request that has ended, of which the agent remembers only the end. */
import type { ClockPort } from '../../ports/clock.js';
import { defined } from '../../protocol/defined.js';
import type { RequestRow } from '../../protocol/status-rows.js';
import type { HolderId } from '../../store/holder.js';
import type { Tombstone } from '../../store/tombstones.js';

export function endedRow(
  clock: ClockPort,
  side: RequestRow['side'],
  { request, epoch }: HolderId,
  { end, reason, atMs }: Tombstone,
): RequestRow {
  return defined({ request, epoch, side, state: 'ended', ageMs: Math.round(clock.now() - atMs), end, reason });
}
