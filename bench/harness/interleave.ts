/**
 * Measures several things in turns (A B C, A B C, …), so that what changes on the machine meanwhile hits all of them alike.
 */
export interface Turn<T> {
  readonly name: string;
  readonly take: (round: number) => Promise<T>;
}

/** What each turn gave, by round. The first `warmUpRounds` are taken and not kept. */
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
