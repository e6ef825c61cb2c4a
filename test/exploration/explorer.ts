/** Visits every situation that can be reached, nearest first, and checks each. */
import type { Store, StoreOptions } from '../../src/store/store.js';
import { Digests } from './digests.js';
import { initialState } from './initial.js';
import { faultAtRest, faultOf } from './invariants.js';
import type { Configuration, State } from './state.js';
import { follow, stepsOf } from './steps.js';
import { StoreLog } from './store-log.js';

export interface Exploration {
  readonly configuration: string;
  /** Distinct situations. */
  readonly states: number;
  readonly transitions: number;
  /** Steps of the longest shortest way to a situation. */
  readonly longestTrace: number;
  /** The first violation, with the shortest way to it. */
  readonly violation: { readonly what: string; readonly trace: readonly string[] } | undefined;
}

export interface Limits {
  /** Stops after so many situations. */
  readonly statesMax: number;
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

export function explore(configuration: Configuration, limits: Limits): Exploration {
  const { pages } = configuration;
  const options = { pages, pageBytes: 1, leaseMs: 1000, tombstonesMax: 10, tombstoneMs: 1000, holdersMax: 10 };
  const log = new StoreLog({ ...options, retainedMax: 0 }, limits.createStore);
  const first: Visited = { state: initialState(configuration, log), parent: undefined, step: 'begin', depth: 0 };
  const digests = new Digests();
  const seen = new Set([digests.of(first.state as State)]);
  let queue = [first];
  let transitions = 0;
  let longestTrace = 0;
  while (queue.length > 0) {
    const next: Visited[] = [];
    for (const visited of queue) {
      const state = visited.state as State;
      visited.state = null;
      longestTrace = visited.depth;
      const steps = stepsOf(state, configuration);
      const atRest = steps.every(({ isFault }) => isFault);
      const what = faultOf(state, configuration) ?? (atRest ? faultAtRest(state) : undefined);
      if (what !== undefined) {
        return report(configuration, seen.size, transitions, longestTrace, { what, trace: traceOf(visited) });
      }
      for (const step of steps) {
        const reached = follow(state, configuration, log, step);
        transitions += 1;
        const digest = digests.of(reached);
        if (seen.has(digest)) continue;
        seen.add(digest);
        next.push({ state: reached, parent: visited, step: step.name, depth: visited.depth + 1 });
      }
      if (seen.size >= limits.statesMax) return report(configuration, seen.size, transitions, longestTrace, undefined);
    }
    queue = next;
  }
  return report(configuration, seen.size, transitions, longestTrace, undefined);
}

function report(
  { name }: Configuration,
  states: number,
  transitions: number,
  longestTrace: number,
  violation: Exploration['violation'],
): Exploration {
  return { configuration: name, states, transitions, longestTrace, violation };
}

function traceOf(visited: Visited): string[] {
  const trace: string[] = [];
  for (let at: Visited | undefined = visited; at?.parent !== undefined; at = at.parent) trace.unshift(at.step);
  return trace;
}
