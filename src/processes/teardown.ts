type Step = () => void | Promise<void>;

/** Steps that undo what a program made, in reverse order, whether the program succeeds or fails. */
export class Teardown {
  readonly #steps: Step[] = [];
  /** Set once the steps run. */
  #report: ((error: unknown) => void) | undefined;

  /** Adds a step. After `run`, it runs at once: an interrupted program may still make something for a moment. */
  defer(step: Step): void {
    this.#steps.push(step);
    if (this.#report !== undefined) void this.run(this.#report);
  }

  /** Runs every step, even if some fail, and reports the failures. */
  async run(report: (error: unknown) => void): Promise<void> {
    this.#report = report;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        report(error);
      }
    }
  }
}
