/** Does something again and again for a while, so many times at once. */

const MS_PER_S = 1000;

/**
 * Nothing is begun after `durationMs`, but everything that can be at once is begun at least once. `work` answers how long
 * it took.
 */
export async function repeat(
  { atOnce, durationMs }: { readonly atOnce: number; readonly durationMs: number },
  work: () => Promise<number>,
): Promise<{ readonly timesMs: readonly number[]; readonly seconds: number }> {
  const startMs = performance.now();
  const timesMs: number[] = [];
  const lane = async () => {
    do timesMs.push(await work());
    while (performance.now() - startMs < durationMs);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return { timesMs, seconds: (performance.now() - startMs) / MS_PER_S };
}
