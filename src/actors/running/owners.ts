/**
 * Runs machines for their owners. A machine's effects are provided once for all actors of a kind (providing them anew for
 * each would build the machine anew each time); here an effect finds the owner of the actor that asks for it.
 *
 * Effects run when the step that asked for them is complete, in the order in which they were asked for: an effect sees the
 * state it belongs to, and whatever it sends, to its own machine or another, comes after.
 */
import type { Actor, AnyActorRef, AnyMachineSnapshot, AnyStateMachine, EventObject } from 'xstate';
import type { ActorCharge, LiveActor, LiveActors } from '../observing/live-actors.js';

/** What a machine asks its owner to do. It may go on after it returned; that too fails the actor when it fails. */
type Effect<Owner> = (owner: Owner) => void | Promise<void>;

interface Charge<Owner> {
  readonly effects: Effect<Owner>[];
  readonly live: LiveActor;
}

export class Owners<Owner extends object> {
  readonly #charges = new WeakMap<AnyActorRef, Charge<Owner>>();

  /** The same machine; whoever looks at its actors is told what each event changes. */
  watched<Machine extends AnyStateMachine>(machine: Machine): Machine {
    const transition = machine.transition.bind(machine);
    machine.transition = (snapshot: AnyMachineSnapshot, event: EventObject, scope) => {
      const next = transition(snapshot, event, scope);
      this.#charges.get(scope.self)?.live.moved(snapshot, event.type, next);
      return next;
    };
    return machine;
  }

  /**
   * Starts a machine's actor as a root of its own. An error inside it or in one of its effects stops it, is reported to
   * `onError`, and goes no further: it ends what the machine was about, never its neighbours.
   */
  start<Machine extends AnyStateMachine>(
    actor: Actor<Machine>,
    owner: Owner,
    { actors, ...about }: ActorCharge & { readonly actors: LiveActors },
    onError: (error: unknown) => void,
  ): void {
    const live = actors.add(actor, about);
    const charge: Charge<Owner> = { effects: [], live };
    this.#charges.set(actor, charge);
    const fail = (error: unknown) => {
      actors.remove(live);
      live.failed(error);
      charge.effects.length = 0;
      actor.stop();
      onError(error);
    };
    const perform = () => {
      try {
        for (let effect = charge.effects.shift(); effect !== undefined; effect = charge.effects.shift()) {
          effect(owner)?.catch(fail);
        }
      } catch (error) {
        fail(error);
      }
    };
    actor.subscribe({ next: perform, error: fail, complete: () => actors.remove(live) });
    live.started();
    actor.start();
  }

  /** Called by a machine's action: runs `effect` when the step is complete. */
  run(actor: AnyActorRef, effect: Effect<Owner>): void {
    const charge = this.#charges.get(actor);
    if (charge === undefined) throw new Error(`actor ${actor.id} has no owner`);
    charge.effects.push(effect);
  }
}

/** Sends `event`, unless the actor has ended: what comes after the end, a reply that was overtaken say, is of no interest. */
export function tell<Event>(
  actor: { getSnapshot(): { readonly status: string }; send(event: Event): void },
  event: Event,
): void {
  if (actor.getSnapshot().status === 'active') actor.send(event);
}
