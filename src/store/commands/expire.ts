/** `expire`: drops the leases and the tombstones whose time is over. */
import type { StoreState } from '../state.js';

export function expire(state: StoreState): void {
  state.tombstones.prune(state.nowMs);
  for (const holder of state.holders.values()) {
    if (holder.state === 'arriving' || holder.expiresAtMs > state.nowMs) continue;
    state.trail({ action: 'expired', holder: holder.id, keys: [...holder.leases.keys()] });
    for (const entry of holder.leases.values()) state.contents.unlease(holder, entry);
    state.dropHolder(holder, 'expired');
  }
}
