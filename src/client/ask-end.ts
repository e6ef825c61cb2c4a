/** How a request ended, for routers that may have missed its event (docs/guide/protocol.md, "Terminal events"). */
import type { End } from '../protocol/subjects.js';
import type { CallOptions, KvferryClient } from './kvferry-client.js';

/** One agent pair that moved a request, or one rank of it. */
export interface AskedRequest {
  readonly request: string;
  /** Of the prefill agent, as `put` answered. */
  readonly epoch: string;
  readonly sender: string;
  /** Undefined: no router has named it. */
  readonly receiver?: string | undefined;
}

/**
 * Asks the decode agent, if there is one, and the prefill agent. Resolves with the recorded end; with `lost` when the process that accepted
 * the request is gone and the decode agent does not know the request: no agent will announce its end, and it has failed (over
 * several ranks: when every rank is lost). Resolves with undefined while the request is in progress. Rejects as the client
 * does when an agent does not answer: ask again.
 */
export async function askEnd(
  client: KvferryClient,
  { request, epoch, sender, receiver }: AskedRequest,
  given?: CallOptions,
): Promise<End | 'lost' | undefined> {
  // As the tenant, although the request is all that it shows: a router has no rights of operators.
  const options = { tenant: client.tenant, ...given };
  const atReceiver = receiver === undefined ? undefined : await client.status(receiver, { request }, options);
  const known = atReceiver?.requests.find((row) => row.epoch === epoch);
  if (known?.end !== undefined) return known.end;
  const atSender = await client.status(sender, { request }, options);
  const end = atSender.requests.find((row) => row.epoch === epoch)?.end;
  if (end !== undefined) return end;
  return known === undefined && atSender.epoch !== epoch ? 'lost' : undefined;
}
