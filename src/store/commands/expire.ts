/** `expire`: drops the leases and the tombstones whose time is over. */
import type { StoreState } from '../state.js';

export function expire(state: StoreState): void {
  state.tombstones.prune(state.nowMs);
  state.expireUntilMs = state.nowMs;
}

/** Drops the leases that have ended before the last `expire`, while the command has work left. */
export function expireLeases(state: StoreState): void {
  for (const holder of state.leasing) {
    if (holder.expiresAtMs > state.expireUntilMs || !state.hasTime()) return;
    state.work -= 1;
    state.trail({ action: 'expired', holder: holder.id, keys: [...holder.leases.keys()] });
    state.dropHolder(holder, 'expired');
  }
}
