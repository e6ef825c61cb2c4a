/** Variants of the shipped store with known defects. The numbers (`P1` and so on) are those of docs/guarantees.md. */
import type { StoreCommand, StoreEffect } from '../../../src/store/messages.js';
import type { StoreOptions } from '../../../src/store/options.js';
import { Store, type StoreResult } from '../../../src/store/store.js';

/** P1: a chunk is ready as soon as its page is allocated, before its bytes arrive. */
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

/** P5: the pages of an ended request are free at once, although bytes may still land in them. */
class NoQuarantine extends Store {
  override execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    if (command.type === 'end' && command.end !== 'ready') {
      super.execute({ type: 'drained', holder: command.holder }, nowMs);
    }
    return super.execute(command, nowMs);
  }
}

/** P29: the page of a refused hand-over is free at once, although the sender may have written to it. */
class DeclineFrees extends Store {
  override execute<C extends StoreCommand>(command: C, nowMs: number): StoreResult<C> {
    return super.execute(command.type === 'decline' ? { ...command, taken: 'never' } : command, nowMs);
  }
}

export const plantedDefects = {
  allocatedIsReady: (options: StoreOptions) => new AllocatedIsReady(options),
  joinedIsReady: (options: StoreOptions) => new JoinedIsReady(options),
  nobodyTakesOver: (options: StoreOptions) => new NobodyTakesOver(options),
  declineFrees: (options: StoreOptions) => new DeclineFrees(options),
  noQuarantine: (options: StoreOptions) => new NoQuarantine(options),
  /** P6: the store does not remember ended requests. */
  noTombstones: (options: StoreOptions) => new Store({ ...options, tombstonesMax: 0 }),
};
