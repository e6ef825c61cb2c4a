/** Who moves bytes to whom, from what both sides say of it. */
import type { AgentView } from '../../feed.js';
import { type Tone, toneOfState, worst } from '../tones.js';

export interface Link {
  readonly sender: string;
  readonly receiver: string;
  /** How bytes travel, once they can. */
  readonly provider?: string;
  readonly detail?: string;
  /** Providers that were preferred, and why they were not taken. */
  readonly fallback: readonly string[];
  /** States of both ends as their agents name them. */
  readonly atSender?: string;
  readonly atReceiver?: string;
  readonly tone: Tone;
  /** Known of a sender with one receiver. */
  readonly bytesPerS?: number;
}

/** One for each pair, in the order of names. */
export function linksOf(agents: readonly AgentView[]): Link[] {
  const links = new Map<string, Link>();
  for (const { agent, status } of agents) {
    for (const { agent: other, side, state, provider, detail, fallback } of status.peers) {
      const [sender, receiver] = side === 'receiver' ? [agent, other] : [other, agent];
      const key = `${sender} ${receiver}`;
      const known = links.get(key);
      const said = side === 'receiver' ? { atSender: state } : { atReceiver: state };
      // A peer that was lost stays in the list for a while beside its successor, which has the word.
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

/** Agents say how much they send, not to whom: with one receiver it is clear. */
function rateOf({ sender }: Link, all: readonly Link[], agents: readonly AgentView[]): number | undefined {
  if (all.filter((other) => other.sender === sender).length > 1) return undefined;
  return agents.find(({ agent }) => agent === sender)?.rates.bytesPerS;
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Agents in the order of names: those that send on the left, those that receive on the right; `both` on both sides. */
export function columnsOf(agents: readonly AgentView[]): { readonly senders: string[]; readonly receivers: string[] } {
  const names = (...roles: readonly string[]) =>
    agents
      .filter(({ description }) => roles.includes(description.role))
      .map(({ agent }) => agent)
      .sort(compare);
  return { senders: names('prefill', 'both'), receivers: names('decode', 'both') };
}
