import type { ActorView } from '../../feed.js';

/** Does every word occur in what is seen of the actor? */
export function matches(actor: ActorView, text: string): boolean {
  const { agent, actor: name, state, machine, request, peer, waiting } = actor;
  const seen = [agent, name, state, machine, request, peer, waiting?.gate].join(' ').toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => seen.includes(word));
}
