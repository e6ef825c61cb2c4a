/**
 * Converts the name of a state in a journal (`running.open`, `connected and alive`) back to XState's state value and to the
 * ids of its states.
 */
import type { AnyStateNode, StateValue } from 'xstate';
import { stateName } from '../../actors/observing/state-name.js';
import { machines } from './machines.js';

interface NamedState {
  readonly value: StateValue;
  /** Like `ActorRow.paths`: outer states first. */
  readonly paths: readonly string[];
}

type MachineName = keyof typeof machines;

const known = new Map<MachineName, ReadonlyMap<string, NamedState>>();

/** Undefined when the machine has no such state, because the agent runs another version. */
export function stateNamed(machine: MachineName, name: string): NamedState | undefined {
  let states = known.get(machine);
  if (states === undefined) {
    const { root } = machines[machine];
    const values = valuesOf(root);
    states = new Map(values.map((value) => [stateName(value), { value, paths: pathsOf(root.id, value) }]));
    known.set(machine, states);
  }
  return states.get(name);
}

/** Every value that the states inside this state can have. */
function valuesOf(node: AnyStateNode): StateValue[] {
  const children = Object.entries(node.states);
  if (node.type === 'parallel') {
    let together: Readonly<Record<string, StateValue>>[] = [{}];
    for (const [name, child] of children) {
      together = together.flatMap((others) => valuesOf(child).map((value) => ({ ...others, [name]: value })));
    }
    return together;
  }
  return children.flatMap(([name, child]): StateValue[] =>
    Object.keys(child.states).length === 0 ? [name] : valuesOf(child).map((value) => ({ [name]: value })),
  );
}

function pathsOf(inside: string, value: StateValue): string[] {
  if (typeof value === 'string') return [`${inside}.${value}`];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = `${inside}.${name}`;
    return inner === undefined ? [path] : [path, ...pathsOf(path, inner)];
  });
}
