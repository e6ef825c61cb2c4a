/** The links between agents, from the answers of both sides. */
import type { AgentView } from '../../feed.js';
import { type Tone, toneOfState, worst } from '../tones.js';

export interface Link {
  readonly sender: string;
  readonly receiver: string;
  /** The provider, once the link is connected. */
  readonly provider?: string;
  readonly detail?: string;
  /** Preferred providers that were not used, with the reason. */
  readonly fallback: readonly string[];
  /** States of both ends, as in their agents' answers. */
  readonly atSender?: string;
  readonly atReceiver?: string;
  readonly tone: Tone;
  /** Known only for a sender with one receiver. */
  readonly bytesPerS?: number;
}

/** One link per pair of agents, sorted by name. */
export function linksOf(agents: readonly AgentView[]): Link[] {
  const links = new Map<string, Link>();
  for (const { agent, status } of agents) {
    for (const { agent: other, side, state, provider, detail, fallback } of status.peers) {
      const [sender, receiver] = side === 'receiver' ? [agent, other] : [other, agent];
      const key = `${sender} ${receiver}`;
      const known = links.get(key);
      const said = side === 'receiver' ? { atSender: state } : { atReceiver: state };
      // A lost peer stays listed for a while beside its successor. The successor counts.
      const spoken = side === 'receiver' ? known?.atSender : known?.atReceiver;
      if (spoken !== undefined && toneOfState('peer', state) === 'bad') continue;
      links.set(key, {
        sender,
        receiver,
        ...known,
        ...said,
        ...(provider === undefined ? {} : { provider }),
        ...(detail === undefined ? {} : { detail }),
        fallback: [...new Set([...(known?.fallback ?? []), ...fallback])],
        tone: 'quiet',
      });
    }
  }
  const all = [...links.values()].sort((a, b) => compare(a.sender, b.sender) || compare(a.receiver, b.receiver));
  return all.map((link) => {
    const tones = [link.atSender, link.atReceiver].filter((state) => state !== undefined);
    const rate = rateOf(link, all, agents);
    return {
      ...link,
      tone: worst(tones.map((state) => toneOfState('peer', state))),
      ...(rate === undefined ? {} : { bytesPerS: rate }),
    };
  });
}

/** Agents report how much they send, but not to whom. With one receiver the link is certain. */
function rateOf({ sender }: Link, all: readonly Link[], agents: readonly AgentView[]): number | undefined {
  if (all.filter((other) => other.sender === sender).length > 1) return undefined;
  return agents.find(({ agent }) => agent === sender)?.rates.bytesPerS;
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Agents sorted by name: senders on the left, receivers on the right, and agents of role `both` on both sides. */
export function columnsOf(agents: readonly AgentView[]): { readonly senders: string[]; readonly receivers: string[] } {
  const names = (...roles: readonly string[]) =>
    agents
      .filter(({ description }) => roles.includes(description.role))
      .map(({ agent }) => agent)
      .sort(compare);
  return { senders: names('prefill', 'both'), receivers: names('decode', 'both') };
}
