/** Requests over several ranks, each with its own prefill agent and decode agent. */
import type { Agent } from '../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import type { Cluster } from './support.js';

interface Rank {
  readonly rank: number;
  readonly sender: string;
  readonly receiver: string;
  readonly keys: readonly string[];
  readonly prefill: Agent;
  readonly decode: Agent;
}

export class Ranked {
  readonly ranks: Rank[] = [];
  readonly made: Cluster;

  constructor(made: Cluster) {
    this.made = made;
  }

  static async create(made: Cluster, size: number, options: Partial<AgentOptions> = {}): Promise<Ranked> {
    const ranked = new Ranked(made);
    for (let rank = 0; rank < size; rank += 1) {
      const [sender, receiver] = [`prefill-${rank}`, `decode-${rank}`];
      const keys = ['a', 'b', 'c'].map((chunk) => `m@${size}@${rank}@${chunk}`);
      const decode = await made.agent(receiver, 'decode', options);
      const prefill = await made.agent(sender, 'prefill', options);
      await made.segment(sender, 'engine', keys);
      ranked.ranks.push({ rank, sender, receiver, keys, prefill, decode });
    }
    return ranked;
  }

  get members() {
    return this.ranks.map(({ sender, receiver }) => ({ sender, receiver }));
  }

  rank(rank: number): Rank {
    return this.ranks[rank] as Rank;
  }

  /** Puts a rank's part, in one batch. */
  put(rank: number, request = 'r1', more: Parameters<Cluster['put']>[3] = {}) {
    const { sender, receiver, keys } = this.rank(rank);
    return this.made.put(sender, request, keys, { receiver, ranks: { rank, members: this.members }, ...more });
  }

  /** Only its first chunk; the last batch comes later or never. */
  putFirst(rank: number, more: Parameters<Cluster['put']>[3] = {}) {
    const { sender, receiver, keys } = this.rank(rank);
    const part = { receiver, ranks: { rank, members: this.members }, last: false, totalChunks: keys.length };
    return this.made.put(sender, 'r1', keys.slice(0, 1), { ...part, ...more });
  }

  putLast(rank: number, more: Parameters<Cluster['put']>[3] = {}) {
    const { sender, receiver, keys } = this.rank(rank);
    const part = { receiver, ranks: { rank, members: this.members }, batch: 1, totalChunks: keys.length, first: 1 };
    return this.made.put(sender, 'r1', keys.slice(1), { ...part, ...more });
  }

  /** Ends that were published about the request, a long time later. */
  async published(request = 'r1', afterMs = 60_000): Promise<unknown[]> {
    await this.made.clock.advance(afterMs);
    return this.made.terminals
      .filter((event) => event.request === request)
      .map(({ end, reason }) => (reason === undefined ? [end] : [end, reason.code]));
  }

  /** What every agent that lives answers when it is asked for the request. */
  async recorded(agents: readonly string[]): Promise<unknown[]> {
    const ends: unknown[] = [];
    for (const agent of agents) {
      const { requests } = await this.made.call(agent, 'status', { request: 'r1' });
      ends.push(...requests.map(({ end }) => end));
    }
    return ends;
  }

  async freePages(agents: readonly string[]): Promise<unknown[]> {
    const pages: unknown[] = [];
    for (const agent of agents) pages.push((await this.made.status(agent)).pages?.free);
    return pages;
  }
}

export function names(ranked: Ranked, ...ranks: number[]): string[] {
  return ranks.flatMap((rank) => [ranked.rank(rank).sender, ranked.rank(rank).receiver]);
}

export function receivers(ranked: Ranked, ...ranks: number[]): string[] {
  return ranks.map((rank) => ranked.rank(rank).receiver);
}
