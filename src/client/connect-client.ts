/** Connects to NATS and makes a client. */
import { connectNats, type NatsControlOptions } from '../control/nats-control.js';
import { KvferryClient } from './kvferry-client.js';

/** Rejects `disconnected` when no NATS server accepts. `client.close()` closes the connection. */
export async function connectClient(options: NatsControlOptions): Promise<KvferryClient> {
  return new KvferryClient(await connectNats(options));
}
