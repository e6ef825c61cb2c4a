/** Waiting on the clock of the agent. */
import type { ClockPort } from '../../ports/clock.js';

/** Resolves after `delayMs`. */
export function sleep(clock: ClockPort, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, delayMs));
}

/** Resolves when `work` does, or after `timeoutMs`. The work then goes on, but the caller no longer waits for it. */
export async function atMost(clock: ClockPort, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: unknown;
  const late = new Promise<void>((resolve) => {
    timer = clock.setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, late]);
  clock.clearTimeout(timer);
}

/**
 * Calls `act` for each item, in order: some of them at once, the others in the next turns of the event loop. The items of one
 * turn weigh no more than `weightMax` together, except for the last.
 */
export function inTurns<Item>(
  clock: ClockPort,
  items: readonly Item[],
  act: (item: Item) => void,
  { weightOf, weightMax }: { readonly weightOf: (item: Item) => number; readonly weightMax: number },
): void {
  let next = 0;
  const turn = () => {
    for (let weight = 0; next < items.length && weight < weightMax; next += 1) {
      const item = items[next] as Item;
      weight += weightOf(item);
      act(item);
    }
    if (next < items.length) clock.setTimeout(turn, 0);
  };
  turn();
}
