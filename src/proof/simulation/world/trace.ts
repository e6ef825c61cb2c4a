/** The events of a simulated world in order, one line each. Lines are kept only when the trace is on. */
export class Trace {
  readonly lines: string[] = [];
  readonly #isOn: boolean;
  readonly #now: () => number;

  constructor(isOn: boolean, now: () => number) {
    this.#isOn = isOn;
    this.#now = now;
  }

  add(line: () => string): void {
    if (this.#isOn) this.lines.push(`${this.#now().toFixed(2).padStart(9)} ${line()}`);
  }
}
