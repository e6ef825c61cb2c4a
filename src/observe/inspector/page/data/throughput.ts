/** How much an agent moves, by what it counts. */
import type { AgentView } from '../../feed.js';
import { bytesPerSecond, perSecond } from '../format.js';

type Rated = Pick<AgentView, 'rates'> & { readonly description: Pick<AgentView['description'], 'role'> };

/** Bytes are counted where they are sent; who only receives counts the chunks it has given pages to. In a second. */
export function throughputOf({ description, rates }: Rated): number {
  return description.role === 'decode' ? rates.chunksPerS : rates.bytesPerS;
}

export function throughputText({ description, rates }: Rated): string {
  return description.role === 'decode' ? `${perSecond(rates.chunksPerS)} chunks/s` : bytesPerSecond(rates.bytesPerS);
}
