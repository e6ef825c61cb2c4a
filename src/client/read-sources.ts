/** Asks a prefill agent which source memory it may still read. */
import type { OperationReply } from '../protocol/operations.js';
import type { CallOptions, KvferryClient } from './kvferry-client.js';

type Sources = OperationReply<'sources'>;

/** Everything that the agent still reads of one session. Rejects as the client does. */
export async function readSources(
  client: KvferryClient,
  agent: string,
  session: string,
  call: CallOptions,
): Promise<Pick<Sources, 'epoch' | 'alone' | 'batches'>> {
  const batches: Sources['batches'] = [];
  let after: Sources['next'];
  for (;;) {
    const part = await client.sources(agent, after === undefined ? { session } : { session, after }, call);
    batches.push(...part.batches);
    if (part.next === undefined) return { epoch: part.epoch, alone: part.alone, batches };
    after = part.next;
  }
}
