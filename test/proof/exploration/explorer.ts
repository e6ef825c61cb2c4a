/** Visits every situation that can be reached, nearest first, and checks each. */
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
  /** Distinct situations. */
  readonly states: number;
  /** Steps from one situation to another, or to the same. */
  readonly transitions: number;
  /** Steps of the shortest way to the situation that is farthest away. */
  readonly longestTrace: number;
  /** Every situation was visited. */
  readonly complete: boolean;
  readonly violation: Violation | undefined;
}

/** What does not hold, and the shortest way to it. */
export interface Violation {
  readonly what: string;
  readonly trace: readonly string[];
}

export interface ExplorerOptions {
  /** Stops when there are so many situations. */
  readonly statesMax?: number | undefined;
  /** Another store than the shipped one. */
  readonly createStore?: (options: StoreOptions) => Store;
}

interface Visited {
  /** Null once its successors are known: only the way to it is kept. */
  state: State | null;
  readonly parent: Visited | undefined;
  readonly step: string;
  readonly depth: number;
}

/** Chunks are one byte long, nothing expires, and no limit but the pages is ever met. */
const STORE_OPTIONS = {
  pageBytes: 1,
  leaseMs: 1000,
  tombstonesMax: 10,
  tombstoneMs: 1000,
  holdersMax: 10,
  retainedMax: 0,
};

/** Ends at the first violation. */
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
