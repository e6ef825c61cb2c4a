/**
 * Runs machines for their owners. A machine's effects are provided once for all actors of a kind (providing them anew for
 * each would build the machine anew each time); here an effect finds the owner of the actor that asks for it.
 *
 * Effects run when the step that asked for them is complete, in the order in which they were asked for: an effect sees the
 * state it belongs to, and whatever it sends, to its own machine or another, comes after.
 */
import type { Actor, AnyActorLogic, AnyActorRef } from 'xstate';

/** What a machine asks its owner to do. It may go on after it returned; that too fails the actor when it fails. */
type Effect<Owner> = (owner: Owner) => void | Promise<void>;

interface Charge<Owner> {
  readonly effects: Effect<Owner>[];
}

export class Owners<Owner extends object> {
  readonly #charges = new WeakMap<AnyActorRef, Charge<Owner>>();

  /**
   * Starts a machine's actor as a root of its own. An error inside it or in one of its effects stops it, is reported to
   * `onError`, and goes no further: it ends what the machine was about, never its neighbours.
   */
  start<Logic extends AnyActorLogic>(actor: Actor<Logic>, owner: Owner, onError: (error: unknown) => void): void {
    const charge: Charge<Owner> = { effects: [] };
    this.#charges.set(actor, charge);
    const fail = (error: unknown) => {
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
    actor.subscribe({ next: perform, error: fail });
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

/**
 * A machine's state as `status` shows it: `running.open`; of several at once `connected and alive`, without the name of the
 * state around them.
 */
export function stateName(value: string | object): string {
  if (typeof value === 'string') return value;
  const states = Object.values(value);
  if (states.length > 1) return states.map(stateName).join(' and ');
  const [inner] = states;
  const isAround = typeof inner === 'object' && Object.keys(inner).length > 1;
  return isAround ? stateName(inner) : `${Object.keys(value)[0]}.${stateName(inner)}`;
}
