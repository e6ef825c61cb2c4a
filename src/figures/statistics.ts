/** Figures of repeated measurements: one definition of percentile, and one of rounding. */

/** A figure that was measured in several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** More digits than this are noise in a measurement. */
const SIGNIFICANT_DIGITS = 4;

/**
 * The value below which the fraction `rank` (0 to 1) of the values lies, interpolated linearly between neighbours.
 * Throws RangeError without values.
 */
export function percentile(values: readonly number[], rank: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = (sorted.length - 1) * rank;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError('a percentile needs at least one value');
  return below + (above - below) * (place - Math.floor(place));
}

/** Throws RangeError without values. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Four significant digits. */
export function rounded(value: number): number {
  return Number(value.toPrecision(SIGNIFICANT_DIGITS));
}

/** Rounded. Throws RangeError without values. */
export function spreadOf(values: readonly number[]): Spread {
  return {
    median: rounded(median(values)),
    min: rounded(percentile(values, 0)),
    max: rounded(percentile(values, 1)),
    rounds: values.length,
  };
}

/** Rounded. Zeros without values. */
export function percentilesOf(values: readonly number[]): Percentiles {
  if (values.length === 0) return { p50: 0, p99: 0 };
  return { p50: rounded(median(values)), p99: rounded(percentile(values, 0.99)) };
}

/**
 * The quotients of figures that were measured in the same rounds. Throws RangeError for different numbers of rounds.
 */
export function ratios(values: readonly number[], baselines: readonly number[]): number[] {
  if (values.length !== baselines.length)
    throw new RangeError(`${values.length} values, ${baselines.length} baselines`);
  return values.map((value, round) => value / (baselines[round] as number));
}

/**
 * The exponent b of the best fit cost = a · size^b: 0 is flat, 1 is linear. Throws RangeError for less than two sizes.
 */
export function growthExponent(points: readonly { readonly size: number; readonly cost: number }[]): number {
  const logs = points.map(({ size, cost }) => ({ x: Math.log(size), y: Math.log(cost) }));
  const mean = (pick: (log: { x: number; y: number }) => number) =>
    logs.reduce((sum, log) => sum + pick(log), 0) / logs.length;
  const meanX = mean(({ x }) => x);
  const meanY = mean(({ y }) => y);
  const covariance = logs.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const variance = logs.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (variance === 0) throw new RangeError('growth needs two sizes');
  return rounded(covariance / variance);
}
