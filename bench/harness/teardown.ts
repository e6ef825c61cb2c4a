/** What has to be undone at the end, whatever the end is: last made, first undone. */
export class Teardown {
  readonly #steps: (() => void | Promise<void>)[] = [];

  defer(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Takes every step, also when some fail; reports those. What is deferred meanwhile is undone too. */
  async run(report: (error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        report(error);
      }
    }
  }
}
