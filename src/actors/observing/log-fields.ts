/** Fields of log lines. Every line of an agent already has `agent` and its own `epoch`: no field may repeat these keys. */
import type { HolderId } from '../../store/holder.js';

/** The request that a line is about, and the epoch of its sender. */
export function requestFields({ request, epoch }: HolderId): {
  readonly request: string;
  readonly requestEpoch: string;
} {
  return { request, requestEpoch: epoch };
}
