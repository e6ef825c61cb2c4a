/** Counts how often two kinds of faults struck in the same scenario. */

/** Parts of another kind, which are counted once with it. */
const PARTS = new Set(['decodeCrash', 'prefillCrash']);

/** For each pair of kinds that occur at all, the number of scenarios in which both struck. */
export function pairsOf(scenarios: readonly (readonly string[])[]): Record<string, number> {
  const kinds = [...new Set(scenarios.flat())].filter((kind) => !PARTS.has(kind)).sort();
  const struck = new Map(kinds.map((kind) => [kind, scenarios.map((scenario) => scenario.includes(kind))]));
  const pairs: Record<string, number> = {};
  for (const [index, one] of kinds.entries()) {
    for (const other of kinds.slice(index + 1)) {
      pairs[`${one}+${other}`] = scenarios.filter(
        (_, number) => struck.get(one)?.[number] && struck.get(other)?.[number],
      ).length;
    }
  }
  return pairs;
}
