/** `expire`: drops the leases and the tombstones whose time is over. */
import type { StoreState } from '../state.js';

export function expire(state: StoreState): void {
  state.tombstones.prune(state.nowMs);
  state.expireUntilMs = state.nowMs;
}

/** To list this many keys takes as long as to place a chunk. */
const KEYS_PER_CHUNK = 64;

/** Drops the leases that have ended before the last `expire`, while the command has work left. */
export function expireLeases(state: StoreState): void {
  for (const holder of state.leasing) {
    if (holder.expiresAtMs > state.expireUntilMs || !state.hasTime()) return;
    state.work -= 1 + holder.leases.size / KEYS_PER_CHUNK;
    state.trail({ action: 'expired', holder: holder.id, keys: [...holder.leases.keys()] });
    state.dropHolder(holder, 'expired');
  }
}
