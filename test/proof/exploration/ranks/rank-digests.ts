/** Digests of states of a world of ranks. States with the same possible futures have equal digests. */
import { Numbers, type Snapshot, textOfSnapshot } from '../numbers.js';
import type { RankState } from './rank-state.js';

export class RankDigests {
  readonly #numbers = new Numbers();

  of({ stores, groups, ingests, messages, again, ...rest }: RankState): string {
    const snapshots = [groups, ingests].map((its) => {
      const names = Object.keys(its).sort();
      return names.map(
        (name) => `${name} ${this.#numbers.ofPart(its[name] as Snapshot, (one) => [textOfSnapshot(one)])}`,
      );
    });
    const lists = [messages, again].map((list) => list.map((message) => this.#plain(message)).sort());
    return [stores.map(({ number }) => number), ...snapshots, ...lists, this.#rest(rest)].join(' ');
  }

  #rest(rest: object): string {
    return JSON.stringify(rest);
  }

  #plain(part: object): number {
    return this.#numbers.ofPart(part, (its) => [JSON.stringify(its)])[0] as number;
  }
}
