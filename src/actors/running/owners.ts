/**
 * Runs machines for their owners. A machine only names its effects. Its owner, the object that starts its actor, performs
 * them. `Owners` binds the effects of a machine once for all owners of a class, because a new binding copies the machine.
 *
 * An effect runs when the step that asked for it is complete, after the effects that were asked for before. It sees the state
 * that the step has reached. What it sends, to its own machine or to another, comes after that step.
 */
import type {
  Actor,
  AnyActorRef,
  AnyMachineSnapshot,
  AnyStateMachine,
  ContextFrom,
  EventFromLogic,
  EventObject,
} from 'xstate';
import type { ActorTask, ObservedActor } from '../observing/observed-actor.js';
import type { ObservedActors } from '../observing/observed-actors.js';

/** The step that asked for an effect. */
interface Step<Machine extends AnyStateMachine> {
  readonly context: ContextFrom<Machine>;
  readonly event: EventFromLogic<Machine>;
}

/** The effects of a machine, by name, as `effect()` of machines/effect.ts declares them. */
type DeclaredEffects = Readonly<Record<string, (_: unknown, params: never) => void>>;

type ActionName<Machine extends AnyStateMachine> = keyof NonNullable<Parameters<Machine['provide']>[0]['actions']>;

/** One function for each effect. When it returns a promise and that rejects, the actor fails. */
export type ProvidedEffects<Owner, Effects extends DeclaredEffects, Machine extends AnyStateMachine> = {
  readonly [Name in keyof Effects]: Name extends ActionName<Machine>
    ? (owner: Owner, step: Step<Machine>, params: Parameters<Effects[Name]>[1]) => void | Promise<void>
    : never;
};

type AnyStep = Step<AnyStateMachine>;
type AnyEffect<Owner> = (owner: Owner, step: AnyStep, params: unknown) => void | Promise<void>;

/** An actor that runs, and the effects that its current step has asked for. */
interface Run<Owner> {
  readonly effects: ((owner: Owner) => void | Promise<void>)[];
  readonly observed: ObservedActor;
}

/** What an actor is started with. */
export interface ActorStart {
  readonly task: ActorTask;
  /** The actor is listed there for as long as it runs. */
  readonly actors: ObservedActors;
  /** Called when the machine or one of its effects throws. The actor has stopped by then. */
  onError(error: unknown): void;
}

export class Owners<Owner extends object, Effects extends DeclaredEffects> {
  readonly #runs = new WeakMap<AnyActorRef, Run<Owner>>();

  /** The machine with all its effects bound to the owners of its actors. */
  provide<Machine extends AnyStateMachine>(
    machine: Machine,
    effects: ProvidedEffects<Owner, Effects, Machine>,
  ): Machine {
    const bound = Object.entries(effects as Record<string, AnyEffect<Owner>>).map(([name, effect]) => {
      const action = ({ self, context, event }: AnyStep & { readonly self: AnyActorRef }, params: unknown) => {
        this.#runOf(self).effects.push((owner) => effect(owner, { context, event }, params));
      };
      return [name, action];
    });
    const actions = Object.fromEntries(bound);
    return this.#observed(machine.provide({ actions } as Parameters<Machine['provide']>[0]) as Machine);
  }

  /**
   * Starts the actor of a machine that `provide` returned. An error in the machine or in one of its effects stops this actor
   * and goes to `onError`. It ends the task of this actor, and no other.
   */
  start<Machine extends AnyStateMachine>(
    actor: Actor<Machine>,
    owner: Owner,
    { task, actors, onError }: ActorStart,
  ): void {
    const observed = actors.add(actor, task);
    const run: Run<Owner> = { effects: [], observed };
    this.#runs.set(actor, run);
    const fail = (error: unknown) => {
      actors.remove(observed);
      observed.failed(error);
      run.effects.length = 0;
      actor.stop();
      onError(error);
    };
    const perform = () => {
      try {
        for (let effect = run.effects.shift(); effect !== undefined; effect = run.effects.shift()) {
          effect(owner)?.catch(fail);
        }
      } catch (error) {
        fail(error);
      }
    };
    actor.subscribe({ next: perform, error: fail, complete: () => actors.remove(observed) });
    observed.started();
    actor.start();
  }

  /** Reports every change of state of the machine's actors to `ObservedActor`. */
  #observed<Machine extends AnyStateMachine>(machine: Machine): Machine {
    const transition = machine.transition.bind(machine);
    machine.transition = (snapshot: AnyMachineSnapshot, event: EventObject, scope) => {
      const next = transition(snapshot, event, scope);
      this.#runs.get(scope.self)?.observed.moved(snapshot, event.type, next);
      return next;
    };
    return machine;
  }

  #runOf(actor: AnyActorRef): Run<Owner> {
    const run = this.#runs.get(actor);
    if (run === undefined) throw new Error(`actor ${actor.id} has no owner: start it with Owners.start`);
    return run;
  }
}

/** Sends `event` unless the actor has ended. An event that comes after the end, such as a late reply, is dropped. */
export function tell<Event>(
  actor: { getSnapshot(): { readonly status: string }; send(event: Event): void },
  event: Event,
): void {
  if (actor.getSnapshot().status === 'active') actor.send(event);
}
