/** Repeats some work a number of times, several of them at once. */

/** Results in the order of completion. */
export async function repeatCount<T>(
  { atOnce, count }: { readonly atOnce: number; readonly count: number },
  work: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  let begun = 0;
  const lane = async () => {
    while (begun < count) {
      const index = begun;
      begun += 1;
      results.push(await work(index));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}
