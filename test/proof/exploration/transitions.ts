/** Pure transitions of the machines, with a cache. The same few snapshots and events occur in very many states. */
import { type AnyMachineSnapshot, type AnyStateMachine, transition } from 'xstate';

/** An effect of a machine. */
export interface Action {
  readonly type: string;
  readonly params?: unknown;
}

export interface Transition<S> {
  readonly next: S;
  readonly actions: readonly Action[];
}

const known = new WeakMap<object, Map<string, Transition<unknown>>>();

export function transitionOf<S extends object>(machine: AnyStateMachine, snapshot: S, event: object): Transition<S> {
  const ofSnapshot = known.get(snapshot) ?? new Map<string, Transition<unknown>>();
  known.set(snapshot, ofSnapshot);
  const name = JSON.stringify(event);
  const computed = ofSnapshot.get(name);
  if (computed !== undefined) return computed as Transition<S>;
  const [next, actions] = transition(machine, snapshot as unknown as AnyMachineSnapshot, event as never);
  const result = { next: next as unknown as S, actions };
  ofSnapshot.set(name, result);
  return result;
}
