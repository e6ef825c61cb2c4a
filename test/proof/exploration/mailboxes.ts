/**
 * Runs machines as `src/actors/running/owners.ts` does. The effects of a step run when the step is complete. What an effect
 * sends to another machine is handled at once. What it sends to its own machine is handled after all effects of the step.
 */
export class Mailboxes {
  readonly #waiting = new Map<string, (() => readonly (() => void)[])[]>();

  /** `step` changes the state of the machine `name`, and returns the effects that it asks for. */
  deliver(name: string, step: () => readonly (() => void)[]): void {
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.push(step);
      return;
    }
    const steps = [step];
    this.#waiting.set(name, steps);
    for (let next = steps.shift(); next !== undefined; next = steps.shift()) {
      for (const effect of next()) effect();
    }
    this.#waiting.delete(name);
  }
}
