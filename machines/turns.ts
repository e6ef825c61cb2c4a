/**
 * The order in which the ranks of a request get their pages (P22). The ranks at one arena are admitted together, as one unit.
 * The arenas of a request have their turns one after the other, in the order of the names of their agents. No arena has its
 * turn before every rank has come.
 *
 * So requests cannot wait for each other in a circle: a request holds pages only in arenas before the one at which it waits,
 * and all requests have the same order of arenas.
 */

/** How far a rank has come. A rank only moves on: reports can be late or repeated. */
export type RankState = 'absent' | 'held' | 'admitted' | 'complete';

const order: readonly RankState[] = ['absent', 'held', 'admitted', 'complete'];

/** The states after `rank` has reported `state`. */
export function advance(states: readonly RankState[], rank: number, state: RankState): readonly RankState[] {
  return states.map((before, index) =>
    index === rank && order.indexOf(state) > order.indexOf(before) ? state : before,
  );
}

/**
 * The receiver that has its turn: the first one, by name, with a rank that is not admitted. Null while a rank is absent, and
 * when all ranks are admitted. `receivers` and `states` have one entry for each rank.
 */
export function turnOf(receivers: readonly string[], states: readonly RankState[]): string | null {
  if (states.includes('absent')) return null;
  let first: string | null = null;
  for (const [rank, receiver] of receivers.entries()) {
    if (states[rank] === 'held' && (first === null || receiver < first)) first = receiver;
  }
  return first;
}
