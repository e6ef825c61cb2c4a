/**
 * Messages to one epoch of another agent. Delivery is not trusted: a message is repeated until the peer answers it or its
 * deadline passes. The peer recognises repetitions.
 */
import { decodeReply, toFailure } from '../../protocol/codec.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { type PeerReply, type PeerRequest, peerSchemas } from '../../protocol/peer-messages.js';
import { type PeerNotice, type PeerOperation, subjects } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { publishEvent } from '../env/publish-event.js';
import { sleep } from '../env/timers.js';
import { type About, aboutMessage } from '../observing/journal.js';

/** After this many attempts without a subscriber, the peer is declared dead. */
const NO_RESPONDERS_MAX = 3;
/** Pause between two such attempts, in heartbeats. */
const NO_RESPONDERS_PAUSE_HEARTBEATS = 0.25;

export interface PeerAddress {
  readonly agent: string;
  readonly epoch: string;
}

/** A peer and its role towards this agent. */
export interface Peer extends PeerAddress {
  readonly side: 'receiver' | 'sender';
}

export interface Insistence {
  readonly deadlineMs: number;
  /** Checked before every attempt. */
  isLost(): boolean;
}

/**
 * Asks `peer` and returns its answer. `body` is built for every attempt, with the time left. Rejects with the typed error of
 * the peer, with `receiver_lost` or `sender_lost` when the peer is gone, or with `deadline_exceeded`.
 */
export async function callPeer<O extends PeerOperation>(
  env: AgentEnv,
  peer: Peer,
  operation: O,
  body: (timeLeftMs: number) => Omit<PeerRequest<O>, 'v'>,
  insistence: Insistence,
): Promise<PeerReply<O>> {
  const subject = subjects.peer(peer.agent, peer.epoch, operation);
  const { journal, clock } = env;
  const startedMs = clock.now();
  let about: About = { peer: peer.agent };
  const note = (code?: string) => journal.message('out', operation, about, clock.now() - startedMs, code);
  const lost = (cause?: unknown) =>
    new KvferryError(`${peer.side}_lost`, `agent ${peer.agent} (epoch ${peer.epoch}) is gone`, { cause });
  try {
    const reply = await insist(
      env,
      { what: `agent ${peer.agent} did not answer ${operation}`, lost, ...insistence },
      async (left) => {
        const message = body(left.untilDeadlineMs);
        about = aboutMessage(message, peer.agent);
        const text = JSON.stringify({ v: PROTOCOL_VERSION, ...message });
        const headers = env.tracer?.headersFor(about);
        const answer = await env.control.request(subject, text, { timeoutMs: left.forAttemptMs, headers });
        return decodeReply(peerSchemas[operation].reply, answer) as PeerReply<O>;
      },
    );
    note();
    return reply;
  } catch (error) {
    note(toFailure(error).code);
    throw error;
  }
}

/**
 * Asks again until an answer comes. Rejects with the typed error of the answer, with `lost` when the peer is gone, or with
 * `deadline_exceeded`.
 */
export async function insist<T>(
  env: AgentEnv,
  { what, lost, deadlineMs, isLost }: Insistence & { readonly what: string; lost(cause?: unknown): KvferryError },
  attempt: (left: { readonly forAttemptMs: number; readonly untilDeadlineMs: number }) => Promise<T>,
): Promise<T> {
  const { clock, counters, options } = env;
  for (let deaf = 0; ; ) {
    if (isLost()) throw lost();
    const untilDeadlineMs = Math.floor(deadlineMs - clock.now());
    if (untilDeadlineMs < 1) throw new KvferryError('deadline_exceeded', `${what} in time`);
    const forAttemptMs = Math.min(options.attemptTimeoutMs, untilDeadlineMs);
    try {
      return await attempt({ forAttemptMs, untilDeadlineMs });
    } catch (error) {
      if (isKvferryError(error, 'no_responders')) {
        deaf += 1;
        if (deaf >= NO_RESPONDERS_MAX) throw lost(error);
      } else if (!isKvferryError(error, 'deadline_exceeded', 'disconnected')) {
        throw error;
      }
      counters.add('peer_calls_repeated');
      if (!isKvferryError(error, 'deadline_exceeded')) {
        await sleep(clock, options.heartbeatMs * NO_RESPONDERS_PAUSE_HEARTBEATS);
      }
    }
  }
}

/** Sends `peer` a notice that it need not answer. A peer that misses the notice asks for it. */
export function notifyPeer<O extends PeerNotice>(
  env: AgentEnv,
  peer: PeerAddress,
  operation: O,
  body: Omit<PeerRequest<O>, 'v'>,
): void {
  publishEvent(env, subjects.peer(peer.agent, peer.epoch, operation), { v: PROTOCOL_VERSION, ...body });
  env.journal.message('out', operation, aboutMessage(body, peer.agent));
}
