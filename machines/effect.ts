/**
 * A named placeholder for an effect. Machines only name their effects; `src/actors` provides them with
 * `machine.provide({ actions })`. Running a machine without them is a programming error and says so. Pure exploration
 * (`transition()` of XState) never runs actions and needs none.
 */
export function effect<Params = undefined>(name: string): (_: unknown, params: Params) => void {
  return () => {
    throw new Error(`effect ${name} was not provided`);
  };
}
