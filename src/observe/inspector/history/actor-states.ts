/** The actors and their states, assembled from journals. */
import { isSampled } from '../../../protocol/sampling.js';
import type { ActorView, EntryView } from '../feed.js';
import { stateNamed } from '../state-values.js';
import type { Happening } from './happening.js';

/** Most actors. The oldest are dropped, since the end of some may have been missed. */
const ACTORS_MAX = 20_000;

type Identity = Omit<ActorView, 'paths' | 'ageMs' | 'inStateMs' | 'waiting' | 'context'>;

interface KnownActor extends Identity {
  readonly startedMs: number;
  readonly changedMs: number;
}

export class ActorStates {
  readonly #actors: Map<string, KnownActor>;

  constructor(actors: ReadonlyMap<string, KnownActor> = new Map()) {
    this.#actors = new Map(actors);
  }

  clone(): ActorStates {
    return new ActorStates(this.#actors);
  }

  apply(happening: Happening): void {
    switch (happening.kind) {
      case 'entry':
        this.#entry(happening.view);
        return;
      case 'sampled':
        this.#forget(({ request }) => request !== undefined && !isSampled(request, happening.oneIn));
        return;
      case 'found':
        this.#found(happening.rows, happening.timeMs);
        return;
      case 'gone':
        this.#forget((known) => known.agent === happening.agent && known.agentEpoch === happening.agentEpoch);
        return;
    }
  }

  /** Actors that had entered their current state by `timeMs`. They have no `context`, which journals do not record. */
  rows(timeMs: number): ActorView[] {
    return [...this.#actors.values()].flatMap(({ startedMs, changedMs, ...identity }) => {
      if (changedMs > timeMs) return [];
      const paths = stateNamed(identity.machine, identity.state)?.paths ?? [];
      const times = { ageMs: timeMs - startedMs, inStateMs: timeMs - changedMs };
      return [{ ...identity, paths: [...paths], ...times, context: {} }];
    });
  }

  #found(rows: readonly ActorView[], timeMs: number): void {
    for (const { paths: _, ageMs, inStateMs, waiting: __, context: ___, ...identity } of rows) {
      const key = keyOf(identity);
      if (this.#actors.has(key)) continue;
      this.#actors.set(key, { ...identity, startedMs: timeMs - ageMs, changedMs: timeMs - inStateMs });
    }
  }

  #entry({ agent, agentEpoch, timeMs, entry }: EntryView): void {
    if (entry.kind !== 'state') return;
    const { machine, actor, request, epoch, batch, peer, to: state, done } = entry;
    const key = keyOf({ agent, agentEpoch, actor });
    const before = this.#actors.get(key);
    if (done) {
      this.#actors.delete(key);
      return;
    }
    const about = {
      ...(request === undefined ? {} : { request }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(batch === undefined ? {} : { batch }),
      ...(peer === undefined ? {} : { peer }),
    };
    const startedMs = before?.startedMs ?? timeMs;
    this.#actors.set(key, { agent, agentEpoch, machine, actor, ...about, state, startedMs, changedMs: timeMs });
    for (const oldest of this.#actors.keys()) {
      if (this.#actors.size <= ACTORS_MAX) break;
      this.#actors.delete(oldest);
    }
  }

  #forget(matches: (actor: KnownActor) => boolean): void {
    for (const [key, actor] of this.#actors) if (matches(actor)) this.#actors.delete(key);
  }
}

function keyOf({ agent, agentEpoch, actor }: { agent: string; agentEpoch: string; actor: string }): string {
  return `${agent}/${agentEpoch}/${actor}`;
}
