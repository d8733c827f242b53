/** Medians, spreads and percentiles. Empty input gives NaN, which the tables show as a dash. */

export interface Spread {
  median: number;
  min: number;
  max: number;
  count: number;
}

/** The middle value; between two middle ones their mean. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function spread(values: readonly number[]): Spread {
  return {
    median: median(values),
    min: values.length === 0 ? NaN : Math.min(...values),
    max: values.length === 0 ? NaN : Math.max(...values),
    count: values.length,
  };
}

/**
 * The nearest-rank percentile of values in ascending order: the smallest value that at least
 * `percent` of all values do not exceed. It is always a value that was measured.
 */
export function percentile(ascending: ArrayLike<number>, percent: number): number {
  if (ascending.length === 0) return NaN;
  // A product such as 0.999 × 1000 may come out a hair above the whole number it stands for.
  const rank = Math.ceil(percent / 100 * ascending.length - 1e-9);
  return ascending[Math.min(ascending.length, Math.max(1, rank)) - 1];
}

/** The usual percentiles of a set of durations, in any unit. */
export function percentiles(values: Float64Array): Record<"p50" | "p99" | "p99_9" | "max", number> {
  const ascending = values.slice().sort();
  return {
    p50: percentile(ascending, 50),
    p99: percentile(ascending, 99),
    p99_9: percentile(ascending, 99.9),
    max: percentile(ascending, 100),
  };
}

/**
 * The slope of the straight line that fits best, y per x; NaN for fewer than two different x.
 * Used for "this much more per session" and for whether memory grows.
 */
export function slope(points: readonly (readonly [number, number])[]): number {
  const count = points.length;
  const mean_x = points.reduce((sum, [x]) => sum + x, 0) / count;
  const mean_y = points.reduce((sum, [, y]) => sum + y, 0) / count;
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - mean_x) * (y - mean_y);
    variance += (x - mean_x) ** 2;
  }
  return variance > 0 ? covariance / variance : NaN;
}
