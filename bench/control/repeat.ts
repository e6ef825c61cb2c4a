/** Does something again and again for a while, so many times at once. */

const MS_PER_S = 1000;

/**
 * Nothing is begun after `durationMs`, but everything that can be at once is begun at least once. `work` is told which of
 * the lanes it runs in, and answers what it took.
 */
export async function repeat(
  { atOnce, durationMs }: { readonly atOnce: number; readonly durationMs: number },
  work: (lane: number) => Promise<number>,
): Promise<{ readonly timesMs: readonly number[]; readonly seconds: number }> {
  const startMs = performance.now();
  const timesMs: number[] = [];
  const lane = async (number: number) => {
    do timesMs.push(await work(number));
    while (performance.now() - startMs < durationMs);
  };
  await Promise.all(Array.from({ length: atOnce }, (_, number) => lane(number)));
  return { timesMs, seconds: (performance.now() - startMs) / MS_PER_S };
}
