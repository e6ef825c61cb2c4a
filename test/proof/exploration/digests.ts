/**
 * Digests of states. States with the same possible futures have equal digests. A state shares most of its parts with the state
 * before it, so each part is serialised only once and then represented by a number.
 *
 * When the two senders have the same requests, a state and its mirror image, in which they have changed places, have equal
 * futures but for the names. Both have the same digest: the smaller of the two.
 */
import type { Configuration } from './configuration.js';
import type { Sender, State } from './state.js';
import { type StoreNode, textOf } from './store-log.js';

/** The number of a part, and the number of its mirror image. */
type Numbers = readonly [number, number];

type Snapshot = { readonly value: unknown; readonly context: unknown };

const NONE: Numbers = [-1, -1];
const SIDES = [0, 1] as const;

export class Digests {
  readonly #numberOfText = new Map<string, number>();
  readonly #numbersOfPart = new WeakMap<object, Numbers>();
  /** Turns the text of a part into that of its mirror image. Undefined when the senders have different requests. */
  readonly #mirrored: ((text: string) => string) | undefined;

  constructor(configuration: Configuration) {
    this.#mirrored = mirrorOf(configuration);
  }

  of(state: State): string {
    const senders = state.senders.map((sender, index) => [
      this.#sender(sender),
      this.#snapshot(state.ingests[index] as Snapshot | null),
      this.#plain(state.announced[index] as readonly string[]),
      flags(state.lost[index], state.struck[index], state.unnoticed.includes(index)),
    ]);
    const common = [
      this.#store(state.store),
      this.#list(state.messages),
      this.#list(state.unanswered),
      this.#list(state.writes),
      this.#list(state.pending),
      this.#plain(state.arena),
      this.#plain(state.budget),
      this.#plain(state.revoked),
    ];
    const own = joined(senders, common, 0);
    if (this.#mirrored === undefined) return own;
    const [smaller = own] = [own, joined(senders.reverse(), common, 1)].sort();
    return smaller;
  }

  #sender(sender: Sender): Numbers {
    return this.#known(sender, () => {
      const { request, transfers, ...rest } = sender;
      const parts = [request, ...Object.values(transfers)].map((snapshot) => this.#snapshot(snapshot));
      const [own, other] = this.#ofText(JSON.stringify([rest, Object.keys(transfers)]));
      return SIDES.map((side) => this.#number(`${[own, other][side]} ${parts.map((part) => part[side])}`));
    });
  }

  #store(node: StoreNode): Numbers {
    return this.#known(node, () => {
      const { description, declines } = node;
      const own = this.#number(textOf(description, declines));
      if (this.#mirrored === undefined) return [own, own];
      const [other, others] = JSON.parse(this.#mirrored(JSON.stringify([description, declines])));
      return [own, this.#number(textOf(other, others))];
    });
  }

  /** The order of the parts does not matter: messages and writes may overtake each other. */
  #list(parts: readonly object[]): Numbers {
    return this.#known(parts, () => {
      const numbers = parts.map((part) => this.#plain(part));
      return SIDES.map((side) => this.#number(`${numbers.map((pair) => pair[side]).sort()}`));
    });
  }

  #snapshot(snapshot: Snapshot | null): Numbers {
    return snapshot === null ? NONE : this.#numbers(snapshot, ({ value, context }) => JSON.stringify([value, context]));
  }

  #plain(part: object): Numbers {
    return this.#numbers(part, (its) => JSON.stringify(its));
  }

  #numbers<T extends object>(part: T, text: (part: T) => string): Numbers {
    return this.#known(part, () => this.#ofText(text(part)));
  }

  #ofText(text: string): Numbers {
    const own = this.#number(text);
    return [own, this.#mirrored === undefined ? own : this.#number(this.#mirrored(text))];
  }

  #known(part: object, compute: () => readonly number[]): Numbers {
    const known = this.#numbersOfPart.get(part);
    if (known !== undefined) return known;
    const [own = 0, other = 0] = compute();
    this.#numbersOfPart.set(part, [own, other]);
    return [own, other];
  }

  #number(text: string): number {
    const number = this.#numberOfText.get(text) ?? this.#numberOfText.size;
    this.#numberOfText.set(text, number);
    return number;
  }
}

function flags(...values: readonly (boolean | undefined)[]): Numbers {
  const number = values.reduce((sum, value) => sum * 2 + (value === true ? 1 : 0), 0);
  return [number, number];
}

function joined(senders: readonly (readonly Numbers[])[], common: readonly Numbers[], side: 0 | 1): string {
  let text = '';
  for (const parts of senders) for (const numbers of parts) text += `${numbers[side]},`;
  for (const numbers of common) text += `${numbers[side]},`;
  return text;
}

/** How the names change when the two senders change places. In some configurations their chunks must do so too. */
function mirrorOf({ batches }: Configuration): ((text: string) => string) | undefined {
  if (batches.length !== 2) return undefined;
  const [one, other] = batches.map((its) => JSON.stringify(its)) as [string, string];
  const names = (text: string) =>
    text.replace(/\b[regs][01]\b|"sender":[01]/g, (name) => `${name.slice(0, -1)}${name.endsWith('0') ? 1 : 0}`);
  const keys = (text: string) => text.replace(/\b[xy]\b/g, (key) => (key === 'x' ? 'y' : 'x'));
  if (one === other) return names;
  return keys(one) === other ? (text) => keys(names(text)) : undefined;
}
