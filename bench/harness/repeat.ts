/** Repeats some work for a time, several of them at once. */

const MS_PER_S = 1000;

/**
 * Starts no work after `durationMs`, but starts each of the concurrent ones at least once. `work` resolves with the time that it
 * took.
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
