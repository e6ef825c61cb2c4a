/**
 * Runs machines for their owners. A machine's effects are provided once for all actors of a kind (providing them anew for
 * each would build the machine anew each time); an effect finds the owner of the actor that asks for it here.
 */
import type { AnyActorRef } from 'xstate';

export class Owners<Owner extends object> {
  readonly #owners = new WeakMap<AnyActorRef, Owner>();

  /**
   * Starts a machine's actor as a root of its own. An error inside it is reported to `onError` and goes no further: it
   * ends what the machine was about, never its neighbours.
   */
  start<A extends AnyActorRef>(actor: A, owner: Owner, onError: (error: unknown) => void): A {
    this.#owners.set(actor, owner);
    actor.subscribe({ error: onError });
    actor.start();
    return actor;
  }

  of(actor: AnyActorRef): Owner {
    const owner = this.#owners.get(actor);
    if (owner === undefined) throw new Error(`actor ${actor.id} has no owner`);
    return owner;
  }
}
