/**
 * A placeholder for something that the owner of a machine does. A machine names its effects and the types of their
 * parameters. `Owners.provide` (src/actors/running/owners.ts) binds them, and the compiler refuses a missing one. The pure
 * `transition()` of XState never runs an effect and needs no owner.
 */
export function effect<Params = undefined>(): (_: unknown, params: Params) => void {
  return () => {
    throw new Error('a machine ran an effect that no owner provides: bind it with Owners.provide');
  };
}
