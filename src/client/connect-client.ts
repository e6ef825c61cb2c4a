/** Connects to NATS and makes a client. */
import { connectNats } from '../control/nats-control.js';
import type { NatsControlOptions } from '../control/nats-options.js';
import { KvferryClient } from './kvferry-client.js';

/** `tenant`: as in `KvferryClient`. Rejects `disconnected` when no NATS server accepts. `client.close()` closes the connection. */
export async function connectClient(
  options: NatsControlOptions & { readonly tenant?: string | undefined },
): Promise<KvferryClient> {
  const { tenant, ...nats } = options;
  return new KvferryClient(await connectNats(nats), { tenant });
}
