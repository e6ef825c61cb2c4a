/** The throughput of an agent, from its counters. */
import type { AgentView } from '../../feed.js';
import { bytesPerSecond, perSecond } from '../format.js';

type Rated = Pick<AgentView, 'rates'> & { readonly description: Pick<AgentView['description'], 'role'> };

/** Per second. A sender counts bytes. An agent that only receives counts the chunks that got pages. */
export function throughputOf({ description, rates }: Rated): number {
  return description.role === 'decode' ? rates.chunksPerS : rates.bytesPerS;
}

export function throughputText({ description, rates }: Rated): string {
  return description.role === 'decode' ? `${perSecond(rates.chunksPerS)} chunks/s` : bytesPerSecond(rates.bytesPerS);
}
