/**
 * Asks the sender of a request to agree to an end that a receiver wants to announce (P12). A sender that agrees follows the
 * receiver from then on and announces nothing itself. A sender that has announced an end answers with it. The kinds of answer
 * are events of the machines that ask.
 */
import { toFailure } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { End } from '../../protocol/subjects.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { requestFields } from '../observing/log-fields.js';
import { callPeer, type Insistence } from './peer-call.js';

export type Agreement =
  | { readonly type: 'end.agreed' }
  | { readonly type: 'end.announced'; readonly end: End; readonly failure: Failure | null }
  /** The sender is lost, or does not know the request (`isUnknown`). */
  | { readonly type: 'end.refused'; readonly failure: Failure; readonly isUnknown: boolean };

export async function confirmEnd(
  env: AgentEnv,
  sender: string,
  { request, epoch }: HolderId,
  insistence: Insistence,
): Promise<Agreement> {
  const peer = { agent: sender, epoch, side: 'sender' as const };
  const question = { request, epoch, receiverEpoch: env.epoch };
  try {
    const { end, reason } = await callPeer(env, peer, 'confirm', () => question, insistence);
    return end === undefined ? { type: 'end.agreed' } : { type: 'end.announced', end, failure: reason ?? null };
  } catch (error) {
    const { code, message } = toFailure(error);
    env.logger.info({ ...requestFields({ request, epoch }), code }, 'sender did not agree to the end');
    const why = `agent ${sender} did not agree to the end of request ${request}: ${message}`;
    const isUnknown = code === 'unknown_request';
    return { type: 'end.refused', failure: { code: 'sender_lost', message: why }, isUnknown };
  }
}
