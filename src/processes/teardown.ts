type Step = () => void | Promise<void>;

/** What has to be undone at the end, whatever the end is: last made, first undone. */
export class Teardown {
  readonly #steps: Step[] = [];
  /** Set when the end has come. */
  #report: ((error: unknown) => void) | undefined;

  /** After the end, it is undone at once: who was interrupted may go on for a moment, and make something more. */
  defer(step: Step): void {
    this.#steps.push(step);
    if (this.#report !== undefined) void this.run(this.#report);
  }

  /** Takes every step, also when some fail; reports those. */
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
