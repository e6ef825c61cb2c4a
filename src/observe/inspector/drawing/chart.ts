/** Converts a machine definition into plain data to draw, without coordinates. */
import type { AnyStateMachine, AnyStateNode } from 'xstate';

/** `effect`: an action of an actor. `change`: only changes the machine's context. */
export interface ChartAction {
  readonly kind: 'effect' | 'change';
  readonly text: string;
}

/** The trigger of a transition: an event, a delay, or only its guard. */
export interface ChartTrigger {
  readonly kind: 'event' | 'after' | 'always';
  readonly text: string;
}

/** One transition: any of these triggers, under this guard, with these actions. */
export interface ChartRow {
  readonly triggers: readonly ChartTrigger[];
  readonly guard: string | undefined;
  readonly actions: readonly ChartAction[];
  /** Name of the target inside this state. It is written as text, because an arrow would cross the text. */
  readonly inside: string | undefined;
}

export interface ChartState {
  readonly id: string;
  readonly name: string;
  /** `region`: a state inside a `parallel` state. Regions are entered and left together. */
  readonly kind: 'atomic' | 'compound' | 'parallel' | 'region' | 'final';
  readonly entry: readonly ChartAction[];
  readonly exit: readonly ChartAction[];
  /** Events that the state handles without being left. */
  readonly handled: readonly ChartRow[];
  /** Events that the state expects and ignores. */
  readonly ignored: readonly string[];
  /** Id of the initial child. */
  readonly initial: string | undefined;
  readonly states: readonly ChartState[];
}

/** All transitions from one state to another. */
export interface ChartEdge {
  readonly source: string;
  readonly target: string;
  readonly rows: readonly ChartRow[];
}

export interface Chart {
  readonly name: string;
  readonly root: ChartState;
  readonly edges: readonly ChartEdge[];
}

interface TransitionView {
  readonly eventType: string;
  readonly delay?: number | string | undefined;
  readonly guard?: unknown;
  readonly actions: readonly unknown[];
  readonly target?: readonly { readonly id: string; readonly key: string }[] | undefined;
  readonly reenter: boolean;
}

/** The drawable parts of a machine. */
export function chartOf(machine: AnyStateMachine): Chart {
  const edges = new Map<string, ChartEdge>();
  const root = readState(machine.root, machine, edges);
  return { name: machine.id, root, edges: [...edges.values()] };
}

function readState(node: AnyStateNode, machine: AnyStateMachine, edges: Map<string, ChartEdge>): ChartState {
  if (node.type === 'history') throw new Error(`${node.id}: drawing history states is not supported yet`);
  const transitions = [...node.transitions.values(), node.always ?? []].flat() as readonly TransitionView[];
  let handled: readonly ChartRow[] = [];
  const ignored: string[] = [];
  const alternatives = new Map<string, number>();
  for (const transition of transitions) {
    const { eventType, target } = transition;
    const before = alternatives.get(eventType) ?? 0;
    alternatives.set(eventType, before + 1);
    const row = readRow(transition, before, machine);
    const [inner] = (target ?? []).filter(({ id }) => id.startsWith(`${node.id}.`));
    if (inner !== undefined) {
      handled = addRow(handled, { ...row, inside: inner.key });
    } else if (target !== undefined) {
      for (const { id } of target) {
        const key = `${node.id} ${id}`;
        const rows = addRow(edges.get(key)?.rows ?? [], row);
        edges.set(key, { source: node.id, target: id, rows });
      }
    } else if (transition.actions.length === 0 && row.guard === undefined) {
      ignored.push(eventType);
    } else {
      handled = addRow(handled, row);
    }
  }
  return {
    id: node.id,
    name: node.key,
    kind: node.type === 'compound' && node.parent?.type === 'parallel' ? 'region' : node.type,
    entry: readActions(node.entry, machine),
    exit: readActions(node.exit, machine),
    handled,
    ignored,
    initial: node.type === 'compound' ? node.initial.target[0]?.id : undefined,
    states: Object.values(node.states).map((child) => readState(child, machine, edges)),
  };
}

/** Rows with equal actions and guard become one row with several triggers. */
function addRow(rows: readonly ChartRow[], row: ChartRow): readonly ChartRow[] {
  const sameAs = (other: ChartRow) =>
    other.guard === row.guard &&
    other.inside === row.inside &&
    JSON.stringify(other.actions) === JSON.stringify(row.actions);
  const index = rows.findIndex(sameAs);
  const same = rows[index];
  if (same === undefined) return [...rows, row];
  return rows.with(index, { ...same, triggers: [...same.triggers, ...row.triggers] });
}

function readRow(transition: TransitionView, alternativesBefore: number, machine: AnyStateMachine): ChartRow {
  const guard = nameOfGuard(transition.guard) ?? (alternativesBefore > 0 ? 'else' : undefined);
  return {
    triggers: [readTrigger(transition)],
    guard,
    actions: readActions(transition.actions, machine),
    inside: undefined,
  };
}

function readTrigger({ eventType, delay }: TransitionView): ChartTrigger {
  if (delay !== undefined) return { kind: 'after', text: typeof delay === 'number' ? `${delay} ms` : delay };
  if (eventType === '') return { kind: 'always', text: 'at once' };
  return { kind: 'event', text: eventType };
}

function nameOfGuard(guard: unknown): string | undefined {
  if (guard === undefined) return undefined;
  if (typeof guard === 'string') return guard;
  const name = (guard as { type?: unknown; name?: unknown }).type ?? (guard as { name?: unknown }).name;
  if (typeof name !== 'string') throw new Error('a guard without a name cannot be drawn');
  return name;
}

function readActions(actions: readonly unknown[], machine: AnyStateMachine): readonly ChartAction[] {
  return actions.flatMap((action) => readAction(action, machine));
}

function readAction(action: unknown, machine: AnyStateMachine): readonly ChartAction[] {
  if (typeof action !== 'function') {
    const name = typeof action === 'string' ? action : (action as { type: string }).type;
    const kind = typeOf(machine.implementations.actions[name]) === 'xstate.assign' ? 'change' : 'effect';
    return [{ kind, text: name }];
  }
  switch (typeOf(action)) {
    // XState's timer actions for `after` are left out: the transitions show the delay.
    case 'xstate.raise':
    case 'xstate.cancel':
      return [];
    case 'xstate.assign': {
      const { assignment } = action as unknown as { assignment: unknown };
      const fields = typeof assignment === 'object' && assignment !== null ? Object.keys(assignment) : [];
      return [{ kind: 'change', text: fields.length === 0 ? 'set context' : `set ${fields.join(', ')}` }];
    }
    default:
      return [{ kind: 'effect', text: typeOf(action) ?? action.name }];
  }
}

function typeOf(implementation: unknown): string | undefined {
  return (implementation as { type?: string } | undefined)?.type;
}
