/**
 * Texts as numbers: equal texts have equal numbers. States share most of their parts, so each part is serialised only once. A
 * part has one number for each view of it, for instance its own and that of its mirror image.
 */
export type Snapshot = { readonly value: unknown; readonly context: unknown };

export class Numbers {
  readonly #ofText = new Map<string, number>();
  readonly #ofPart = new WeakMap<object, readonly number[]>();

  ofText(text: string): number {
    const number = this.#ofText.get(text) ?? this.#ofText.size;
    this.#ofText.set(text, number);
    return number;
  }

  /** The numbers of a part. `texts` gives one text for each view of it. */
  ofPart<T extends object>(part: T, texts: (part: T) => readonly string[]): readonly number[] {
    const known = this.#ofPart.get(part);
    if (known !== undefined) return known;
    const numbers = texts(part).map((text) => this.ofText(text));
    this.#ofPart.set(part, numbers);
    return numbers;
  }
}

/** Everything on which the future of a machine depends. */
export function textOfSnapshot({ value, context }: Snapshot): string {
  return JSON.stringify([value, context]);
}
