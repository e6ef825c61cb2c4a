/** Hands one batch to a prefill agent, and repeats it when the answer was lost (docs/protocol.md, "Repeating a message"). */
import { ReplyError } from '../protocol/codec.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import type { CallOptions, KvferryClient, OperationInput } from './kvferry-client.js';
import { isAnswerLost, type Patience, patiently } from './patience.js';

/** Did the agent accept the batch? `inDoubt`: an attempt had no answer, so the agent may have accepted the batch. */
export type PutResult =
  | { readonly accepted: true; readonly epoch: string }
  | { readonly accepted: false; readonly error: KvferryError; readonly inDoubt: boolean };

export interface PutTarget extends Patience {
  readonly client: KvferryClient;
  readonly agent: string;
  readonly call?: CallOptions | undefined;
  /** The process that has accepted this batch, as far as its releases prove it. */
  readonly acceptedBy?: (() => string | undefined) | undefined;
}

/** Rejects only with what is not a `KvferryError`. `epoch`: the process that has accepted the batches before this one. */
export async function putBatch(
  target: PutTarget,
  batch: OperationInput<'put'>,
  epoch: string | undefined,
): Promise<PutResult> {
  let inDoubt = false;
  const attempt = async () => {
    // While NATS is away the message is refused here, and no agent can accept it.
    const isSent = target.client.isConnected;
    const proven = target.acceptedBy?.();
    if (proven !== undefined) return proven;
    try {
      return (await target.client.put(target.agent, batch, target.call)).epoch;
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      // Also after a single attempt: NATS may deliver a message twice, and the answer to the second one may come first.
      const known = await acceptedBefore(target, batch, epoch, error, inDoubt);
      if (known !== undefined) return known;
      inDoubt ||= isSent && !isRefusal(error);
      throw error;
    }
  };
  try {
    return { accepted: true, epoch: await patiently(target, isPassing, attempt) };
  } catch (error) {
    if (!isKvferryError(error)) throw error;
    return { accepted: false, error: epoch === undefined ? error : explained(error, target, batch), inDoubt };
  }
}

/** The agent has refused the batch, or did not get it. Any other failure, such as an unreadable answer, leaves that open. */
function isRefusal(error: KvferryError): boolean {
  return error instanceof ReplyError || isKvferryError(error, 'no_responders', 'message_too_large');
}

/** The agent or the receiver is not there, is not as far as it must be, or no answer came. */
function isPassing(error: KvferryError): boolean {
  return isAnswerLost(error) || isKvferryError(error, 'no_responders', 'unknown_receiver', 'segment_not_found');
}

/** The process that has accepted this batch, if the answer to a repeated `put` says that an earlier attempt was accepted. */
async function acceptedBefore(
  { client, agent, call }: PutTarget,
  { request, batch }: OperationInput<'put'>,
  epoch: string | undefined,
  error: KvferryError,
  isRepeated: boolean,
): Promise<string | undefined> {
  // A request that has ended was begun by its first batch. Whether a later batch was accepted before the end is not known.
  const wasAccepted =
    isKvferryError(error, 'duplicate_batch') || (isRepeated && batch === 0 && isKvferryError(error, 'request_ended'));
  if (!wasAccepted) return undefined;
  if (epoch !== undefined) return epoch;
  // An error reply has no epoch.
  const { requests } = await client.status(agent, { request }, call);
  const row = requests.find(({ side }) => side === 'sender');
  // The agent was restarted since: the next attempt begins the request again.
  if (row === undefined)
    throw new KvferryError('no_responders', `the process that accepted request ${request} is gone`);
  return row.epoch;
}

/** A later batch is out of order for an agent that does not know the batches before it. */
function explained(error: KvferryError, { agent }: PutTarget, { request }: OperationInput<'put'>): KvferryError {
  if (!isKvferryError(error, 'batch_out_of_order')) return error;
  const message = `agent ${agent} was restarted and does not know request ${request}: put the request again with another id`;
  return new KvferryError('sender_lost', message, { cause: error });
}
