/**
 * Digests of states. States with the same possible futures have equal digests.
 *
 * When the two senders have the same requests, a state and its mirror image, in which they have changed places, have equal
 * futures but for the names. Both have the same digest: the smaller of the two.
 */
import type { Configuration } from './configuration.js';
import { Numbers, type Snapshot, textOfSnapshot } from './numbers.js';
import type { Sender, State } from './state.js';
import { type StoreNode, textOf } from './store-log.js';

/** The number of a part, and the number of its mirror image. */
type Pair = readonly number[];
type Side = 0 | 1;

const NONE: Pair = [-1, -1];
const SIDES: readonly Side[] = [0, 1];

export class Digests {
  readonly #numbers = new Numbers();
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
      flags(
        state.lost[index],
        state.unwatched[index],
        state.struck[index],
        state.unnoticed.includes(index),
        state.receiverDied,
      ),
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

  #sender(sender: Sender): Pair {
    return this.#numbers.ofPart(sender, ({ request, transfers, ...rest }) => {
      const parts = [request, ...Object.values(transfers)].map((snapshot) => this.#snapshot(snapshot));
      const texts = this.#views(JSON.stringify([rest, Object.keys(transfers)]));
      return SIDES.map((side) => `${texts[side]} ${parts.map((part) => part[side])}`);
    });
  }

  #store(node: StoreNode): Pair {
    return this.#numbers.ofPart(node, ({ description }) => {
      const own = textOf(description);
      if (this.#mirrored === undefined) return [own, own];
      return [own, textOf(JSON.parse(this.#mirrored(JSON.stringify(description))))];
    });
  }

  /** The order of the parts does not matter: messages and writes may overtake each other. */
  #list(parts: readonly object[]): Pair {
    return this.#numbers.ofPart(parts, () => {
      const pairs = parts.map((part) => this.#plain(part));
      return SIDES.map((side) => `${pairs.map((pair) => pair[side]).sort()}`);
    });
  }

  #snapshot(snapshot: Snapshot | null): Pair {
    return snapshot === null ? NONE : this.#numbers.ofPart(snapshot, (its) => this.#views(textOfSnapshot(its)));
  }

  #plain(part: object): Pair {
    return this.#numbers.ofPart(part, (its) => this.#views(JSON.stringify(its)));
  }

  #views(text: string): readonly string[] {
    return [text, this.#mirrored?.(text) ?? text];
  }
}

function flags(...values: readonly (boolean | undefined)[]): Pair {
  const number = values.reduce((sum, value) => sum * 2 + (value === true ? 1 : 0), 0);
  return [number, number];
}

function joined(senders: readonly (readonly Pair[])[], common: readonly Pair[], side: Side): string {
  let text = '';
  for (const parts of senders) for (const pair of parts) text += `${pair[side]},`;
  for (const pair of common) text += `${pair[side]},`;
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
