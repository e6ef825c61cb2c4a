/** What the requests of all cases came to. */
import type { KvferryClient } from '../../src/client/kvferry-client.js';
import type { TerminalEvent } from '../../src/protocol/events.js';

export class Tally {
  requests = 0;
  /** Chunks with other bytes than those of their key, in words. */
  readonly mismatches: string[] = [];
  /** Events that contradict an earlier one, or repeat it without need. */
  readonly secondEnds: string[] = [];
  /** Connections of the attacker that were accepted. */
  attackConnections = 0;
  /** The most that an agent grew during the attack, without its arena. */
  rssGrowthBytes = 0;
  readonly #ends = new Map<string, TerminalEvent>();
  readonly #parted = new Set<string>();

  watch(client: Pick<KvferryClient, 'onTerminal'>): void {
    client.onTerminal(
      (event) => this.#first(event),
      (event) => this.#repeated(event),
    );
  }

  /** Both agents of this request may announce `failed`, because they are parted (docs/decisions/021-one-end-by-promises.md). */
  parted(request: string): void {
    this.#parted.add(request);
  }

  #first(event: TerminalEvent): void {
    this.#ends.set(event.request, event);
  }

  #repeated(event: TerminalEvent): void {
    const first = this.#ends.get(event.request)?.end;
    if (this.#parted.has(event.request) && first === 'failed' && event.end === 'failed') return;
    this.secondEnds.push(`${event.request}: ${first}, then ${event.end}`);
  }
}
