/** A point of a curve: hours since its beginning, bytes. */
export interface Point {
  readonly h: number
  readonly bytes: number
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Slope in bytes an hour with its 95 % interval, and the height at hour 0. */
export interface Slope {
  readonly perHour: number
  readonly low: number
  readonly high: number
  readonly atStart: number
}

/**
 * Theil-Sen: the median of the slopes between all pairs, which up to 29 % of
 * outliers cannot move; the interval is Sen's (1968), by Kendall's variance.
 * With fewer than two points apart in time everything is 0.
 */
export const theilSen = (points: readonly Point[]): Slope => {
  const slopes: number[] = []
  points.forEach((a, i) => {
    for (const b of points.slice(i + 1)) if (b.h > a.h) slopes.push((b.bytes - a.bytes) / (b.h - a.h))
  })
  if (slopes.length === 0) return { perHour: 0, low: 0, high: 0, atStart: points[0]?.bytes ?? 0 }
  slopes.sort((a, b) => a - b)
  const n = points.length
  const spread = 1.96 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  const at = (index: number): number => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(index)))] ?? 0
  const perHour = median(slopes)
  return {
    perHour,
    low: at((slopes.length - spread) / 2 - 1),
    high: at((slopes.length + spread) / 2),
    atStart: median(points.map(({ h, bytes }) => bytes - perHour * h)),
  }
}
