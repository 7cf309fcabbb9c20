import type { Leak } from '../../contract/diagnosis.ts'
import { amount } from '../amounts.ts'
import { floorsOf } from './floors.ts'
import { median, theilSen, type Point, type Slope } from './slope.ts'

/** Memory of one agent or process over time; null is "not known then". */
export interface Growth {
  readonly subject: Leak['subject']
  readonly points: readonly { readonly atMs: number; readonly bytes: number | null }[]
}

export interface LeakThresholds {
  readonly bytesPerHour: number
  readonly percentPerHour: number
}

const HOUR_MS = 3_600_000
/** Less says nothing: starting up alone takes minutes. */
export const SPAN_LEAST_MS = 20 * 60_000
export const POINTS_LEAST = 12
/** Growth that lies before this part of the time, and not after, is warming up. */
const WARM_UP_SHARE = 1 / 3
/** It has levelled off where its last part grows by less than this part of what the first did. */
const LEVEL_SHARE = 0.25
/** Less than that above where it began is not worth a word. */
const ROSE_SHARE = 0.2
/** So much of all growth between two looks is one step, not a leak. */
const STEP_SHARE = 0.6
const CURVE_POINTS = 240
/** Agents at work grow for longer than that before they level off: nobody is called a leak earlier. */
const LEAK_SPAN_MS = 40 * 60_000
/** So much must have been seen to grow, whatever the rate: a collected heap breathes by as much in an hour. */
const SEEN_LEAST_BYTES = 24 * 1024 * 1024
/** The low end of the interval must be this part of the slope, or noise of that size would fit as well. */
const SURE_SHARE = 0.5
/** Fewer low points say nothing yet, however well they lie on a line. */
const FLOORS_LEAST = 5
/** From here on what is not sure is worth a word; earlier it only needs more time. */
const SUSPECT_SPAN_MS = 2 * 3_600_000

type Verdict = Leak['verdict']
interface Judged {
  readonly verdict: Verdict
  readonly slope: Slope
  readonly why: string
}

const perHour = (bytes: number): string => `${amount(bytes)} an hour`
const since = (bytes: number): string => (bytes > 0 ? `and by ${perHour(bytes)} since` : 'and no further since')
const span = (hours: number): string => (hours >= 1 ? `${hours.toFixed(1)} h` : `${Math.round(hours * 60)} min`)

const isOver = (bytesPerHour: number, baseBytes: number, limits: LeakThresholds): boolean =>
  bytesPerHour > 0 && bytesPerHour >= limits.bytesPerHour && baseBytes > 0 && (bytesPerHour / baseBytes) * 100 >= limits.percentPerHour

/** The largest rise from one floor to the next, and what all of them rose by together. */
const steps = (floors: readonly Point[]): { largest: number; all: number } => {
  const rises = floors.slice(1).map((point, i) => point.bytes - (floors[i]?.bytes ?? point.bytes))
  return { largest: Math.max(0, ...rises), all: (floors.at(-1)?.bytes ?? 0) - (floors[0]?.bytes ?? 0) }
}

const judge = (points: readonly Point[], limits: LeakThresholds): Judged => {
  const hours = (points.at(-1)?.h ?? 0) - (points[0]?.h ?? 0)
  const { floors, falls } = floorsOf(points)
  const whole = theilSen(floors)
  if (points.length < POINTS_LEAST || hours * HOUR_MS < SPAN_LEAST_MS) {
    return { verdict: 'too-short', slope: whole, why: `Known for ${span(hours)} at ${points.length} looks; ${span(SPAN_LEAST_MS / HOUR_MS)} and ${POINTS_LEAST} looks are needed.` }
  }
  const base = floors[0]?.bytes ?? 0
  const begin = points[0]?.h ?? 0
  const part = (from: number, to: number): Point[] => floors.filter(({ h }) => h >= begin + hours * from && h <= begin + hours * to)
  const late = theilSen(part(WARM_UP_SHARE, 1))
  const last = theilSen(part(0.5, 1))
  const early = theilSen(part(0, 0.5))
  const sawTooth = falls >= 2

  const rise = (floors.at(-1)?.bytes ?? 0) - base
  const soon = (part(0, WARM_UP_SHARE).at(-1)?.bytes ?? base) - base
  if (!isOver(whole.perHour, base, limits)) {
    if (rise >= base * ROSE_SHARE && soon >= rise * (1 - LEVEL_SHARE)) {
      return { verdict: 'warm-up', slope: late, why: `It grew by ${amount(soon)} in the first ${span(hours * WARM_UP_SHARE)} ${since(late.perHour)}.` }
    }
    return sawTooth
      ? { verdict: 'saw-tooth', slope: whole, why: `It rose and fell ${falls} times, as collecting garbage does; what stayed afterwards changed by ${perHour(whole.perHour)}.` }
      : { verdict: 'steady', slope: whole, why: `It changed by ${perHour(whole.perHour)} over ${span(hours)}.` }
  }
  if (!isOver(late.perHour, base, limits)) {
    return { verdict: 'warm-up', slope: late, why: `It grew in the first ${span(hours * WARM_UP_SHARE)} ${since(late.perHour)}.` }
  }
  const { largest, all } = steps(floors)
  if (all > 0 && largest >= all * STEP_SHARE) {
    return { verdict: 'levels-off', slope: last, why: `${amount(largest)} of ${amount(all)} came in one step; before and after it was level.` }
  }
  if (!isOver(last.perHour, base, limits) || last.perHour < early.perHour * LEVEL_SHARE) {
    return { verdict: 'levels-off', slope: last, why: `It grew by ${perHour(early.perHour)} at first and by ${perHour(last.perHour)} in the last half: it levels off, as a cache does.` }
  }
  const lateFloors = part(WARM_UP_SHARE, 1)
  const seen = (lateFloors.at(-1)?.bytes ?? 0) - (lateFloors[0]?.bytes ?? 0)
  const later = (reason: string): Judged => ({ verdict: 'too-short', slope: late, why: `It grew by ${perHour(late.perHour)} over ${span(hours)}, ${reason}: look again later.` })
  if (hours * HOUR_MS < SUSPECT_SPAN_MS && floors.length === falls && lateFloors.length < FLOORS_LEAST) return later(`at ${lateFloors.length} low points only`)
  if (hours * HOUR_MS < LEAK_SPAN_MS) return later('as many do that began lately or are at work')
  if (seen < Math.max(SEEN_LEAST_BYTES, (base * limits.percentPerHour) / 100)) return later(`by ${amount(seen)} in all, which garbage not collected yet would explain`)
  const afterwards = sawTooth ? `, also right after collecting garbage (${falls} times)` : ''
  if (isOver(late.low, base, limits) && late.low >= late.perHour * SURE_SHARE) {
    return { verdict: 'leak', slope: late, why: `Over ${span(hours)} it grew by ${perHour(late.perHour)} (between ${perHour(late.low)} and ${perHour(late.high)}, 95 of 100)${afterwards}, and does not slow down.` }
  }
  if (hours * HOUR_MS < SUSPECT_SPAN_MS) return later(`but anything from ${perHour(late.low)} to ${perHour(late.high)} would fit`)
  return { verdict: 'suspected', slope: late, why: `It seems to grow by ${perHour(late.perHour)}, but anything from ${perHour(late.low)} to ${perHour(late.high)} would fit${afterwards}: look again later.` }
}

/** Looks this many times further apart than usual: in between nobody looked. */
const GAP_TIMES = 3

/**
 * The course, its floors and the line through them, thinned out, from the first
 * to the last that is known. One point without figures stands in each gap; what
 * is not known only because points are finer than looks is none.
 */
const curveOf = (points: readonly Point[], slope: Slope, beginMs: number): Leak['curve'] => {
  const floors = new Set(floorsOf(points).floors.map(({ h }) => h))
  const usualH = median(points.slice(1).map(({ h }, i) => h - (points[i]?.h ?? h)))
  const every = Math.max(1, Math.ceil(points.length / CURVE_POINTS))
  const fit = (h: number): number => Math.max(0, slope.atStart + slope.perHour * h)
  return points.flatMap(({ h, bytes }, i): Leak['curve'] => {
    const before = points[i - 1]?.h ?? h
    const gap = h - before > usualH * GAP_TIMES ? [{ atMs: beginMs + ((before + h) / 2) * HOUR_MS, bytes: null, floorBytes: null, fitBytes: fit((before + h) / 2) }] : []
    if (i % every !== 0 && i !== points.length - 1 && !floors.has(h)) return gap
    return [...gap, { atMs: Math.round(beginMs + h * HOUR_MS), bytes, floorBytes: floors.has(h) ? bytes : null, fitBytes: fit(h) }]
  })
}

/** What one curve says; `points` oldest first. */
export const judgeGrowth = (growth: Growth, limits: LeakThresholds): Leak => {
  const known = growth.points.filter((point): point is { atMs: number; bytes: number } => point.bytes !== null)
  const beginMs = known[0]?.atMs ?? 0
  const points = known.map(({ atMs, bytes }) => ({ h: (atMs - beginMs) / HOUR_MS, bytes }))
  const { verdict, slope, why } = judge(points, limits)
  const base = floorsOf(points).floors[0]?.bytes ?? 0
  return {
    subject: growth.subject,
    verdict,
    bytesPerHour: slope.perHour,
    bytesPerHourLow: slope.low,
    bytesPerHourHigh: slope.high,
    percentPerHour: base === 0 ? 0 : (slope.perHour / base) * 100,
    nowBytes: known.at(-1)?.bytes ?? 0,
    spanMs: (known.at(-1)?.atMs ?? 0) - beginMs,
    points: known.length,
    why,
    curve: curveOf(points, slope, beginMs),
  }
}

const ORDER: readonly Verdict[] = ['leak', 'suspected', 'levels-off', 'warm-up', 'saw-tooth', 'steady', 'too-short']

/** All curves, judged; leaks first, the fastest first. */
export const findLeaks = (growths: readonly Growth[], limits: LeakThresholds): Leak[] =>
  growths
    .map((growth) => judgeGrowth(growth, limits))
    .toSorted((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || b.bytesPerHour - a.bytesPerHour)
