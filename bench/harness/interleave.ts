/**
 * Measures several cases in alternation (A B C, A B C, …), so that a change on the machine affects all of them alike.
 */
export interface Turn<T> {
  readonly name: string;
  readonly take: (round: number) => Promise<T>;
}

/** The result of each case, by round. The first `warmUpRounds` rounds are measured and dropped. */
export async function interleave<T>(
  turns: readonly Turn<T>[],
  { rounds, warmUpRounds }: { readonly rounds: number; readonly warmUpRounds: number },
): Promise<ReadonlyMap<string, readonly T[]>> {
  const taken = new Map<string, T[]>(turns.map(({ name }) => [name, []]));
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    for (const { name, take } of turns) {
      const result = await take(round);
      if (round >= warmUpRounds) taken.get(name)?.push(result);
    }
  }
  return taken;
}
