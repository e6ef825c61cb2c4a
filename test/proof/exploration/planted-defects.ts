/** Stores with the defects of upstream (`P1` and so on, as in the table of promises), made from the shipped one. */
import type { StoreCommand, StoreEffect } from '../../../src/store/messages.js';
import type { StoreOptions } from '../../../src/store/options.js';
import { Store, type StoreResult } from '../../../src/store/store.js';

/** P1: a page that was given out counts as there, as if its bytes had arrived. */
class AllocatedIsReady extends Store {
  override execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    const { reply, effects } = super.execute(command, nowMs);
    const committed = effects.flatMap((effect) => {
      if (effect.type !== 'allocated' || !effect.first) return [];
      const { holder, batch, allocation } = effect;
      const { pages, generations } = allocation;
      const lengths = pages.map(() => 1);
      return super.execute({ type: 'commit', holder, batch, part: 0, pages, generations, lengths }, nowMs).effects;
    });
    return { reply, effects: [...effects, ...committed] };
  }
}

/** P1: a chunk that another request is still writing is answered as ready. */
class JoinedIsReady extends Store {
  override execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    const { reply, effects } = super.execute(command, nowMs);
    return { reply, effects: effects.map(withoutJoined) };
  }
}

function withoutJoined(effect: StoreEffect): StoreEffect {
  if (effect.type !== 'allocated') return effect;
  return { ...effect, allocation: { ...effect.allocation, joined: [] } };
}

/** P2: a request that joined a failed writer keeps the page, and no request is asked to write it. */
class NobodyTakesOver extends Store {
  override execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    const { reply, effects } = super.execute(command, nowMs);
    return { reply, effects: effects.filter(({ type }) => type !== 'handed.over') };
  }
}

/** P5: the pages of a request that ends are free at once, whatever is still on its way to them. */
class NoQuarantine extends Store {
  override execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    if (command.type === 'end' && command.end !== 'ready') {
      super.execute({ type: 'drained', holder: command.holder }, nowMs);
    }
    return super.execute(command, nowMs);
  }
}

export const plantedDefects = {
  allocatedIsReady: (options: StoreOptions) => new AllocatedIsReady(options),
  joinedIsReady: (options: StoreOptions) => new JoinedIsReady(options),
  nobodyTakesOver: (options: StoreOptions) => new NobodyTakesOver(options),
  noQuarantine: (options: StoreOptions) => new NoQuarantine(options),
  /** P6: nobody remembers that a request has ended. */
  noTombstones: (options: StoreOptions) => new Store({ ...options, tombstonesMax: 0 }),
};
