import { RATE_POINTS_MAX } from '../limits.js';

const WIDTH = 240;
const HEIGHT = 32;

export interface SparklineProps {
  /** Oldest first. */
  readonly values: readonly number[];
  readonly label: string;
}

/** A small line chart. The last value is at the right edge, so the line moves left over time. */
export function Sparkline({ values, label }: SparklineProps) {
  const max = values.reduce((a, b) => Math.max(a, b), 0);
  const step = WIDTH / (RATE_POINTS_MAX - 1);
  const points = values.map((value, index) => {
    const x = WIDTH - (values.length - 1 - index) * step;
    const y = HEIGHT - 1 - (max === 0 ? 0 : (value / max) * (HEIGHT - 3));
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const firstX = WIDTH - (values.length - 1) * step;
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {points.length > 1 && (
        <>
          <polygon points={`${firstX.toFixed(1)},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
          <polyline points={points.join(' ')} />
        </>
      )}
    </svg>
  );
}
