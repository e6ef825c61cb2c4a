/** Visits every reachable state in breadth-first order and checks each one. */
import type { StoreOptions } from '../../../src/store/options.js';
import type { Store } from '../../../src/store/store.js';
import type { Configuration } from './configuration.js';
import { Digests } from './digests.js';
import { initialState } from './initial-state.js';
import { faultAtRest, faultOf } from './invariants.js';
import type { State } from './state.js';
import { follow, stepsOf } from './steps.js';
import { StoreLog } from './store-log.js';

export interface Exploration {
  /** Number of distinct states. */
  readonly states: number;
  /** Number of steps between states, including steps that lead to a known state. */
  readonly transitions: number;
  /** Length of the shortest trace to the farthest state. */
  readonly longestTrace: number;
  /** True if every reachable state was visited. */
  readonly complete: boolean;
  readonly violation: Violation | undefined;
}

/** A violation, and the shortest trace to it. */
export interface Violation {
  readonly what: string;
  readonly trace: readonly string[];
}

export interface ExplorerOptions {
  /** Stops after this number of states. */
  readonly statesMax?: number | undefined;
  /** Creates a store with a planted defect instead of the shipped one. */
  readonly createStore?: (options: StoreOptions) => Store;
}

interface Visited {
  /** Null once its successors are known, to save memory. Only the trace to it is kept. */
  state: State | null;
  readonly parent: Visited | undefined;
  readonly step: string;
  readonly depth: number;
}

/** Chunks have one byte, nothing expires, and only the number of pages limits requests. */
const STORE_OPTIONS = {
  pageBytes: 1,
  leaseMs: 1000,
  tombstonesMax: 10,
  tombstoneMs: 1000,
  holdersMax: 10,
  retainedMax: 0,
};

/** Explores a configuration until the first violation. */
export function explore(configuration: Configuration, options: ExplorerOptions = {}): Exploration {
  const { statesMax = Number.POSITIVE_INFINITY, createStore } = options;
  const log = new StoreLog({ ...STORE_OPTIONS, pages: configuration.pages }, createStore);
  const digests = new Digests();
  const seen = new Set<string>();
  let transitions = 0;
  let longestTrace = 0;
  const result = (complete: boolean, violation?: Violation): Exploration => {
    return { states: seen.size, transitions, longestTrace, complete, violation };
  };
  const first = initialState(configuration, log);
  seen.add(digests.of(first));
  let front: Visited[] = [{ state: first, parent: undefined, step: '', depth: 0 }];
  while (front.length > 0) {
    const next: Visited[] = [];
    for (const visited of front) {
      const state = visited.state as State;
      visited.state = null;
      longestTrace = visited.depth;
      const steps = stepsOf(state, configuration);
      const atRest = steps.every(({ isFault }) => isFault);
      const what = faultOf(state, configuration) ?? (atRest ? faultAtRest(state) : undefined);
      if (what !== undefined) return result(false, { what, trace: traceOf(visited) });
      if (seen.size >= statesMax) return result(false);
      for (const step of steps) {
        const reached = follow(state, configuration, log, step);
        transitions += 1;
        const digest = digests.of(reached);
        if (seen.has(digest)) continue;
        seen.add(digest);
        next.push({ state: reached, parent: visited, step: step.name, depth: visited.depth + 1 });
      }
    }
    front = next;
  }
  return result(true);
}

function traceOf(visited: Visited): string[] {
  const trace: string[] = [];
  for (let at = visited; at.parent !== undefined; at = at.parent) trace.unshift(at.step);
  return trace;
}
