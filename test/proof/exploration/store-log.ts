/**
 * The shipped store as an immutable value: a log of commands. Logs that lead to the same store share one node. A result is
 * computed once, from the beginning of the log. An exploration therefore runs each command about once for each distinct store.
 */

import type { StoreDescription } from '../../../src/store/description.js';
import type { StoreCommand, StoreEffect } from '../../../src/store/messages.js';
import type { StoreOptions } from '../../../src/store/options.js';
import { Store } from '../../../src/store/store.js';

/** Chunks have one byte, nothing expires, and only the number of pages limits requests. */
export const STORE_OPTIONS = {
  pageBytes: 1,
  leaseMs: 1000,
  tombstonesMax: 10,
  tombstoneMs: 1000,
  holdersMax: 10,
  retainedMax: 0,
};

export interface StoreNode {
  readonly commands: readonly StoreCommand[];
  readonly description: StoreDescription;
  /** The first broken invariant, if any. */
  readonly broken: string | undefined;
  /** Number of the store. Equal stores have equal numbers. */
  readonly number: number;
}

export interface Executed {
  readonly node: StoreNode;
  readonly effects: readonly StoreEffect[];
  /** The error of a refused command, which has changed nothing. */
  readonly error: Error | undefined;
}

export class StoreLog {
  readonly #options: StoreOptions;
  readonly #create: (options: StoreOptions) => Store;
  readonly #nodes = new Map<string, StoreNode>();
  readonly #executed = new Map<string, Executed>();

  /** `create` may create a store with a planted defect, to check that the exploration finds it. */
  constructor(options: StoreOptions, create: (options: StoreOptions) => Store = (its) => new Store(its)) {
    this.#options = options;
    this.#create = create;
  }

  empty(): StoreNode {
    return this.#nodeOf(this.#create(this.#options), []);
  }

  execute(node: StoreNode, command: StoreCommand): Executed {
    const name = `${node.number} ${JSON.stringify(command)}`;
    const known = this.#executed.get(name);
    if (known !== undefined) return known;
    const store = this.#create(this.#options);
    for (const earlier of node.commands) store.execute(earlier, 0);
    const executed = this.#run(store, node, command);
    this.#executed.set(name, executed);
    return executed;
  }

  #run(store: Store, node: StoreNode, command: StoreCommand): Executed {
    try {
      const { effects } = store.execute(command, 0);
      return { node: this.#nodeOf(store, [...node.commands, command]), effects, error: undefined };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return { node, effects: [], error };
    }
  }

  #nodeOf(store: Store, commands: readonly StoreCommand[]): StoreNode {
    const description = store.describe();
    const text = textOf(description);
    const known = this.#nodes.get(text);
    if (known !== undefined) return known;
    const node = { commands, description, broken: store.brokenInvariant(), number: this.#nodes.size };
    this.#nodes.set(text, node);
    return node;
  }
}

/** Everything on which the future of a store depends. The order of keys and ends makes no difference to it. */
export function textOf(description: StoreDescription): string {
  const grants = description.grants.toSorted();
  const tombstones = description.tombstones.map((tombstone) => JSON.stringify(tombstone)).sort();
  return JSON.stringify({ ...description, grants, tombstones });
}
