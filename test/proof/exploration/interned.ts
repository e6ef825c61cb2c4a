/** Values of which equal ones are the same object, so that they can be compared and counted by identity. */
export class Interned<T extends object> {
  readonly #byText = new Map<string, T>();

  of(value: T): T {
    const text = JSON.stringify(value);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    this.#byText.set(text, value);
    return value;
  }
}
