/**
 * Messages to one epoch of another agent. Delivery is not trusted: a message is repeated until the peer answers it, is
 * declared dead, or its deadline passes. The peer recognises repetitions. That a message has no subscriber proves nothing:
 * the peer is perhaps connecting to NATS again. Only `Living` declares a peer dead.
 */
import { decodeReply, ReplyError, toFailure } from '../../protocol/codec.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { type PeerReply, type PeerRequest, peerSchemas } from '../../protocol/peer-messages.js';
import { type PeerNotice, type PeerOperation, subjects } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { publishEvent } from '../env/publish-event.js';
import { sleep } from '../env/timers.js';
import { type About, aboutMessage } from '../observing/journal.js';

/** Pause after an attempt that had no subscriber, in heartbeats. The peer is perhaps connecting to NATS again. */
const PAUSE_HEARTBEATS = 0.25;

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
  const subject = subjects.peer(peer.agent, peer.epoch, env.options.agent, operation);
  const { journal, clock } = env;
  const startedMs = clock.now();
  let about: About = { peer: peer.agent };
  const note = (code?: string) => journal.message('out', operation, about, clock.now() - startedMs, code);
  try {
    const reply = await insist(
      env,
      {
        what: `agent ${peer.agent} did not answer ${operation} in time`,
        deadlineMs: insistence.deadlineMs,
        check: () => {
          if (insistence.isLost())
            throw new KvferryError(`${peer.side}_lost`, `agent ${peer.agent} (epoch ${peer.epoch}) is gone`);
        },
      },
      async (left) => {
        const message = body(left.untilDeadlineMs);
        about = aboutMessage(message, peer.agent);
        const text = JSON.stringify({ v: PROTOCOL_VERSION, ...message });
        const headers = env.tracer?.headersFor(about);
        const answer = await env.control.request(subject, text, { timeoutMs: left.forAttemptMs, headers });
        env.living.heard(peer);
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

/** Asks again until an answer comes. Rejects with the typed error of the answer, or with `deadline_exceeded` and `what`. */
export async function insist<T>(
  env: AgentEnv,
  { what, deadlineMs, check }: { readonly what: string; readonly deadlineMs: number; check?(): void },
  attempt: (left: { readonly forAttemptMs: number; readonly untilDeadlineMs: number }) => Promise<T>,
): Promise<T> {
  const { clock, counters, options } = env;
  let refusal = '';
  for (;;) {
    check?.();
    const untilDeadlineMs = Math.floor(deadlineMs - clock.now());
    if (untilDeadlineMs < 1) throw new KvferryError('deadline_exceeded', `${what}${refusal}`);
    const forAttemptMs = Math.min(options.attemptTimeoutMs, untilDeadlineMs);
    let waited: boolean;
    try {
      return await attempt({ forAttemptMs, untilDeadlineMs });
    } catch (error) {
      if (error instanceof ReplyError || !isPassing(error)) throw error;
      if (error.code === 'publication_refused') refusal = `: ${error.message}`;
      counters.add('peer_calls_repeated');
      waited = error.code === 'deadline_exceeded';
    }
    // Not where the error is caught: it keeps what NATS sent as long as it is in scope.
    if (!waited) await sleep(clock, Math.min(options.heartbeatMs * PAUSE_HEARTBEATS, untilDeadlineMs));
  }
}

/** Also a right that is missing: NATS can give it back. */
function isPassing(error: unknown): error is KvferryError {
  return isKvferryError(error, 'no_responders', 'publication_refused', 'deadline_exceeded', 'disconnected');
}

/** Sends `peer` a notice that it need not answer. A peer that misses the notice asks for it. */
export function notifyPeer<O extends PeerNotice>(
  env: AgentEnv,
  peer: PeerAddress,
  operation: O,
  body: Omit<PeerRequest<O>, 'v'>,
): void {
  const subject = subjects.peer(peer.agent, peer.epoch, env.options.agent, operation);
  publishEvent(env, subject, { v: PROTOCOL_VERSION, ...body });
  env.journal.message('out', operation, aboutMessage(body, peer.agent));
}
