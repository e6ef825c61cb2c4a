import type { ActorView } from '../../feed.js';

/** Whether every word of the filter occurs in the actor's row. */
export function matches(actor: ActorView, text: string): boolean {
  const { agent, actor: name, state, machine, request, peer, waiting } = actor;
  const seen = [agent, name, state, machine, request, peer, waiting?.gate].join(' ').toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => seen.includes(word));
}
