import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Insistence } from '../peers/peer-call.js';
import type { ReceiverPeer } from '../peers/receiver-peer.js';

/**
 * The sender repeats what the receiver must learn until the receiver answers or is lost. The receiver's heartbeats decide
 * that, so this ends. They are not watched when no provider connects, or when the receiver asked after it was declared
 * dead. Then the receiver gets as much time as its heartbeats would give it. `askedMs`: when the receiver last asked.
 */
export function untilGone({ clock, options }: AgentEnv, peer: ReceiverPeer, askedMs: () => number): Insistence {
  const silenceMs = Math.max(options.writeDrainTimeoutMs, SILENT_HEARTBEATS_MAX * options.heartbeatMs);
  const startedMs = clock.now();
  const isLost = () => {
    const sinceMs = peer.isGone ? askedMs() : Math.max(askedMs(), startedMs);
    return peer.isLost && clock.now() - sinceMs >= silenceMs;
  };
  return { deadlineMs: Number.POSITIVE_INFINITY, isLost };
}
