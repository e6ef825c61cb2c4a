/** Support for the tests of machines: pure transitions without an actor, and actors on a simulated clock. */
import {
  type Actor,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type ContextFrom,
  createActor,
  type EventFromLogic,
  type InputFrom,
  initialTransition,
  SimulatedClock,
  transition,
} from 'xstate';
import type { Failure } from '../../src/protocol/fields.js';

/** An effect of a machine: its name, and its parameters if it has some. */
export type Effect = readonly [name: string, params?: unknown];

/** Steps a machine by pure transitions and collects its effects. An effect that gives back nothing does not count. */
export class Walk<M extends AnyStateMachine> {
  readonly machine: M;
  snapshot: AnyMachineSnapshot;
  /** All effects so far. */
  readonly effects: Effect[] = [];
  readonly #answers: Answers<M>;
  #taken = 0;

  constructor(machine: M, input: InputFrom<M>, answers: Answers<M> = {}) {
    this.machine = machine;
    this.#answers = answers;
    const [snapshot, actions] = initialTransition(machine as AnyStateMachine, input);
    this.snapshot = snapshot;
    this.#keep(actions);
  }

  get state(): string {
    return stateOf(this.snapshot.value);
  }

  get context(): ContextFrom<M> {
    return this.snapshot.context as ContextFrom<M>;
  }

  get isOver(): boolean {
    return this.snapshot.status === 'done';
  }

  send(...events: EventFromLogic<M>[]): this {
    const queue = [...events];
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      if (this.isOver) return this;
      const [snapshot, actions] = transition(this.machine as AnyStateMachine, this.snapshot, event);
      this.snapshot = snapshot;
      queue.unshift(...this.#keep(actions));
    }
    return this;
  }

  /** Lets the delay with the name `delay` of the state `state` elapse. */
  elapse(delay: string, state: string): this {
    return this.send({ type: `xstate.after.${delay}.${this.machine.id}.${state}` } as EventFromLogic<M>);
  }

  /** The effects since the last call. */
  take(): Effect[] {
    const taken = this.effects.slice(this.#taken);
    this.#taken = this.effects.length;
    return taken;
  }

  /** Collects the effects. Returns the events that answer effects at once. */
  #keep(actions: unknown[]): EventFromLogic<M>[] {
    const answers: EventFromLogic<M>[] = [];
    for (const { type, params } of actions as { type: string; params?: unknown }[]) {
      const answer = this.#answers[type];
      if (answer !== undefined) answers.push(answer);
      else if (!type.startsWith('xstate.') && !isNothing(params)) this.effects.push(effectOf(type, params));
    }
    return answers;
  }
}

/** By the name of an effect, the event that answers it at once. Such an effect is not collected. */
export type Answers<M extends AnyStateMachine> = Readonly<Record<string, EventFromLogic<M>>>;

/** Runs a machine on a simulated clock and records every effect. */
export function run<M extends AnyStateMachine>(machine: M, input: InputFrom<M>, answers: Answers<M> = {}) {
  const effects: Effect[] = [];
  const names = Object.entries(machine.implementations.actions)
    .filter(([, action]) => (action as { type?: string }).type === undefined)
    .map(([name]) => name);
  const actions = Object.fromEntries(
    names.map((name) => [
      name,
      (_: unknown, params: unknown) => {
        const answer = answers[name];
        if (answer !== undefined) actor.send(answer);
        else if (!isNothing(params)) effects.push(effectOf(name, params));
      },
    ]),
  );
  const clock = new SimulatedClock();
  const logic = machine.provide({ actions } as Parameters<M['provide']>[0]) as M;
  const actor = createActor(logic as AnyStateMachine, { input, clock }) as Actor<M>;
  actor.start();
  return {
    actor,
    clock,
    effects,
    get state(): string {
      return stateOf((actor.getSnapshot() as AnyMachineSnapshot).value);
    },
    /** Advances time in steps of one millisecond, so that a delay that starts in between starts at the right time. */
    pass(ms: number): void {
      for (let passed = 0; passed < ms; passed += 1) clock.increment(1);
    },
    /** The effects since the last call. */
    take: () => effects.splice(0),
  };
}

export const failure: Failure = { code: 'fabric_error', message: 'the test broke it' };
export const otherFailure: Failure = { code: 'cancelled_by_caller', message: 'the test gave up' };

/** The state as text: `a.b` for a nested state, `a.(b and c)` for a parallel state. */
export function stateOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const inner = Object.entries(value as object).map(([name, child]) => [name, stateOf(child)] as const);
  return inner.length > 1 ? `(${inner.map(([, child]) => child).join(' and ')})` : inner.flat().join('.');
}

function effectOf(name: string, params: unknown): Effect {
  return params === undefined ? [name] : [name, params];
}

function isNothing(params: unknown): boolean {
  const positions = (params as { positions?: unknown } | undefined)?.positions;
  return Array.isArray(positions) && positions.length === 0;
}
