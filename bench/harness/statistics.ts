/** What is left of repeated measurements. */

/** Of a figure that was measured in several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

const SIGNIFICANT_DIGITS = 4;

/** Throws when there are no values: a figure that was not measured has no spread. */
export function spreadOf(values: readonly number[]): Spread {
  return {
    median: rounded(quantile(values, 0.5)),
    min: rounded(quantile(values, 0)),
    max: rounded(quantile(values, 1)),
    rounds: values.length,
  };
}

/** The value below which `rank` (0 to 1) of the values lie, interpolated between neighbours. Throws without values. */
export function quantile(values: readonly number[], rank: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = (sorted.length - 1) * rank;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError('no values');
  return below + (above - below) * (place - Math.floor(place));
}

/** Four digits say more than a benchmark knows. */
export function rounded(value: number): number {
  return Number(value.toPrecision(SIGNIFICANT_DIGITS));
}

/** Round by round: the quotient of two figures that were measured side by side. */
export function ratios(values: readonly number[], baselines: readonly number[]): number[] {
  if (values.length !== baselines.length)
    throw new RangeError(`${values.length} values, ${baselines.length} baselines`);
  return values.map((value, round) => value / (baselines[round] as number));
}

/** The exponent b of cost = a · size^b that fits best: 0 is flat, 1 is linear. */
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
