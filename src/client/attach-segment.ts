import { isKvferryError } from '../protocol/errors.js';
import type { CallOptions, KvferryClient, OperationInput } from './kvferry-client.js';

/**
 * Makes a file, or memory of a device, known to a prefill agent as source memory. If the name is taken, the segment is detached first: it belongs to
 * an earlier engine of that name, or to an attempt whose answer was lost, and may be another file. Rejects
 * `segment_in_use` when the agent still reads chunks of that segment, `segment_not_found` or `segment_invalid` when the agent
 * cannot open the file, and as the client does.
 */
export async function attachSegment(
  client: KvferryClient,
  agent: string,
  where: Pick<OperationInput<'attach'>, 'segment' | 'path' | 'cuda'>,
  options?: CallOptions,
): Promise<void> {
  try {
    await client.attach(agent, where, options);
  } catch (error) {
    if (!isKvferryError(error, 'segment_exists')) throw error;
    await client.detach(agent, { segment: where.segment }, options);
    await client.attach(agent, where, options);
  }
}
