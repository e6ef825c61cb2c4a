/**
 * Messages to one epoch of another agent. Delivery is not trusted: a message is repeated until it is answered or its
 * deadline has passed; the receiver recognises repetitions.
 */
import { decodeReply } from '../protocol/codec.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { PROTOCOL_VERSION } from '../protocol/limits.js';
import { type PeerReply, type PeerRequest, peerSchemas } from '../protocol/peer-messages.js';
import { type PeerNotice, type PeerOperation, subjects } from '../protocol/subjects.js';
import { type AgentContext, sleep } from './context.js';
import { publishEvent } from './publish-event.js';

/** Nobody listens: tried this often, a fraction of a heartbeat apart, before the peer is held for dead. */
const NO_RESPONDERS_MAX = 3;
const NO_RESPONDERS_PAUSE_FRACTION = 0.25;

export interface PeerAddress {
  readonly agent: string;
  readonly epoch: string;
}

/** A peer that can be asked; `side` is what it is to us. */
export interface Peer extends PeerAddress {
  readonly side: 'receiver' | 'sender';
}

/**
 * Asks `peer` and returns its answer. `body` is built for every attempt, with the time left. Rejects with the peer's
 * typed error, with `receiver_lost` or `sender_lost` when nobody listens there any more, or `deadline_exceeded`.
 */
export async function callPeer<O extends PeerOperation>(
  context: AgentContext,
  peer: Peer,
  operation: O,
  body: (timeLeftMs: number) => Omit<PeerRequest<O>, 'v'>,
  options: { readonly deadlineMs: number; readonly isLost: () => boolean },
): Promise<PeerReply<O>> {
  const { clock, control } = context;
  const { attemptTimeoutMs, heartbeatMs } = context.options;
  const subject = subjects.peer(peer.agent, peer.epoch, operation);
  for (let deaf = 0; ; ) {
    if (options.isLost()) throw lost(peer);
    const timeLeftMs = Math.floor(options.deadlineMs - clock.now());
    if (timeLeftMs < 1) {
      throw new KvferryError('deadline_exceeded', `agent ${peer.agent} did not answer ${operation} in time`);
    }
    const timeoutMs = Math.min(attemptTimeoutMs, timeLeftMs);
    try {
      const text = JSON.stringify({ v: PROTOCOL_VERSION, ...body(timeLeftMs) });
      return decodeReply(
        peerSchemas[operation].reply,
        await control.request(subject, text, { timeoutMs }),
      ) as PeerReply<O>;
    } catch (error) {
      if (isKvferryError(error, 'no_responders')) {
        deaf += 1;
        if (deaf >= NO_RESPONDERS_MAX) throw lost(peer, error);
      } else if (!isKvferryError(error, 'deadline_exceeded', 'disconnected')) {
        throw error;
      }
      context.counters.add('peer_calls_repeated');
      if (!isKvferryError(error, 'deadline_exceeded')) await sleep(clock, heartbeatMs * NO_RESPONDERS_PAUSE_FRACTION);
    }
  }
}

/** Tells `peer` something that it does not have to answer; it will ask if it misses it. */
export function notifyPeer<O extends PeerNotice>(
  context: AgentContext,
  peer: PeerAddress,
  operation: O,
  body: Omit<PeerRequest<O>, 'v'>,
): void {
  publishEvent(context, subjects.peer(peer.agent, peer.epoch, operation), { v: PROTOCOL_VERSION, ...body });
}

function lost(peer: Peer, cause?: unknown): KvferryError {
  return new KvferryError(`${peer.side}_lost`, `agent ${peer.agent} (epoch ${peer.epoch}) is gone`, { cause });
}
