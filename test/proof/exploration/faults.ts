/** The kinds of faults, and how many of each may still happen. */
export const faultKinds = [
  'loss',
  'duplicate',
  'deaf',
  'silence',
  'crash',
  'death',
  'cancel',
  'timeout',
  'fabric',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/**
 * How many faults of each kind may still happen:
 * - `loss`: a message is lost.
 * - `duplicate`: a message arrives twice.
 * - `deaf`: the agent that a call is for is not subscribed at that moment, and the caller notices.
 * - `silence`: an agent that lives is declared dead, by a sender or by the receiver.
 * - `crash`: a sender is killed.
 * - `death`: the receiver is killed.
 * - `cancel`: a request is cancelled, at its sender or at the receiver.
 * - `timeout`: a deadline passes: that of a request at its sender or at the receiver, or that of a draining transfer.
 * - `fabric`: a write fails, either drained or with bytes that may still land.
 */
export type Budget = Readonly<Record<FaultKind, number>>;

export const noFaults: Budget = {
  loss: 0,
  duplicate: 0,
  deaf: 0,
  silence: 0,
  crash: 0,
  death: 0,
  cancel: 0,
  timeout: 0,
  fabric: 0,
};

/** The kinds of which at least one fault has happened, between the budget at the beginning and that of a state. */
export function struckKinds(before: Budget, now: Budget): readonly FaultKind[] {
  return faultKinds.filter((kind) => now[kind] < before[kind]);
}

/** The name of every pair of these kinds, as `loss-crash`. */
export function pairsOf(kinds: readonly FaultKind[]): string[] {
  return kinds.flatMap((one, index) => kinds.slice(index + 1).map((other) => `${one}-${other}`));
}
