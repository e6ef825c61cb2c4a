/** What happened, in order, one line each: kept only when somebody wants to read it. */
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
