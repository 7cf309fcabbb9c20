import type { Point } from './slope.ts'

/** A fall by so much of the height is a collection of garbage, or a cache let go of. */
const FALL_SHARE = 0.08
const FALL_LEAST_BYTES = 4 * 1024 * 1024
/** From so many falls on, what lies after each of them is the floor. */
const FALLS_LEAST = 4
const WINDOWS_MOST = 24
const POINTS_A_WINDOW = 4

/** The lowest point after each great fall from a height before it. */
export const fallsOf = (points: readonly Point[]): Point[] => {
  const lows: Point[] = []
  let top = -Infinity
  let low: Point | null = null
  for (const point of points) {
    if (low === null) {
      top = Math.max(top, point.bytes)
      if (top - point.bytes >= Math.max(FALL_LEAST_BYTES, top * FALL_SHARE)) low = point
    } else if (point.bytes <= low.bytes) {
      low = point
    } else if (point.bytes - low.bytes >= Math.max(FALL_LEAST_BYTES, low.bytes * FALL_SHARE) / 2) {
      // It rises again: that was the bottom.
      lows.push(low)
      low = null
      top = point.bytes
    }
  }
  return low === null ? lows : [...lows, low]
}

/** The lowest point of each of equal stretches of time. */
const windowLows = (points: readonly Point[]): Point[] => {
  const count = Math.max(2, Math.min(WINDOWS_MOST, Math.floor(points.length / POINTS_A_WINDOW)))
  const first = points[0]?.h ?? 0
  const span = (points.at(-1)?.h ?? 0) - first
  const lows: (Point | undefined)[] = Array.from({ length: count })
  for (const point of points) {
    const at = Math.min(count - 1, Math.floor(((point.h - first) / span) * count))
    const low = lows[at]
    if (low === undefined || point.bytes < low.bytes) lows[at] = point
  }
  return lows.filter((low) => low !== undefined)
}

/**
 * What stays when garbage is gone: after each collection where there are
 * several, else the lowest of each stretch of time.
 */
export const floorsOf = (points: readonly Point[]): { readonly floors: Point[]; readonly falls: number } => {
  const falls = fallsOf(points)
  return { floors: falls.length >= FALLS_LEAST ? falls : windowLows(points), falls: falls.length }
}
