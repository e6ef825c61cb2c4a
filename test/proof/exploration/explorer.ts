/** Visits every reachable state of a world in breadth-first order and checks each one. */
import { type FaultKind, pairsOf } from './faults.js';
import type { Step, World } from './world.js';

export interface Exploration {
  /** Number of distinct states. */
  readonly states: number;
  /** Number of steps between states, including steps that lead to a known state. */
  readonly transitions: number;
  /** Length of the shortest trace to the farthest state. */
  readonly longestTrace: number;
  /** For each pair of fault kinds, the number of states in which both have happened. */
  readonly pairs: Readonly<Record<string, number>>;
  /** True if every reachable state was visited. */
  readonly complete: boolean;
  readonly violation: Violation | undefined;
}

/** A violation, and the shortest trace to it. */
export interface Violation {
  readonly what: string;
  readonly trace: readonly string[];
}

export interface Limits {
  /** Stops after this number of states. */
  readonly statesMax?: number | undefined;
}

interface Visited<State> {
  /** Null once its successors are known, to save memory. Only the trace to it is kept. */
  state: State | null;
  readonly parent: Visited<State> | undefined;
  readonly step: string;
}

/** Explores a world until the first violation. */
export function exploreWorld<State, S extends Step>(
  world: World<State, S>,
  { statesMax = Number.POSITIVE_INFINITY }: Limits = {},
): Exploration {
  const seen = new Set<string>();
  const struck = new Map<readonly FaultKind[], number>();
  let transitions = 0;
  let longestTrace = 0;
  const result = (complete: boolean, violation?: Violation): Exploration => {
    return { states: seen.size, transitions, longestTrace, pairs: countPairs(struck), complete, violation };
  };
  seen.add(world.digest(world.first));
  let front: Visited<State>[] = [{ state: world.first, parent: undefined, step: '' }];
  for (let depth = 0; front.length > 0; depth += 1) {
    const next: Visited<State>[] = [];
    longestTrace = depth;
    for (const visited of front) {
      const state = visited.state as State;
      visited.state = null;
      const kinds = world.struck(state);
      struck.set(kinds, (struck.get(kinds) ?? 0) + 1);
      const steps = world.steps(state);
      const what = world.faultOf(state) ?? (steps.every(isFault) ? world.faultAtRest(state) : undefined);
      if (what !== undefined) return result(false, { what, trace: traceOf(visited) });
      if (seen.size >= statesMax) return result(false);
      for (const step of steps) {
        const reached = world.follow(state, step);
        transitions += 1;
        const digest = world.digest(reached);
        if (seen.has(digest)) continue;
        seen.add(digest);
        next.push({ state: reached, parent: visited, step: step.name });
      }
    }
    front = next;
  }
  return result(true);
}

function isFault(step: Step): boolean {
  return step.isFault;
}

function countPairs(struck: ReadonlyMap<readonly FaultKind[], number>): Record<string, number> {
  const pairs: Record<string, number> = {};
  for (const [kinds, states] of struck) {
    for (const pair of pairsOf(kinds)) pairs[pair] = (pairs[pair] ?? 0) + states;
  }
  return pairs;
}

function traceOf<State>(visited: Visited<State>): string[] {
  const trace: string[] = [];
  for (let at = visited; at.parent !== undefined; at = at.parent) trace.unshift(at.step);
  return trace;
}
