import type { Evidence } from '../../../helper/contract/evidence.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import type { Looks } from './rule.ts'

/** Looks of the last one's boot, oldest first, each moment once; null where there is none. */
export const seriesOf = (looks: readonly Evidence[]): Looks | null => {
  const sorted = looks.toSorted((a, b) => a.takenAtMs - b.takenAtMs)
  const last = sorted.at(-1)
  if (last === undefined) return null
  const before = sorted.filter((look, i) => look.bootId === last.bootId && look.monotonicMs < last.monotonicMs && look.monotonicMs !== sorted[i - 1]?.monotonicMs)
  const [first, ...rest] = [...before, last]
  return [first ?? last, ...rest]
}

export const firstOf = (looks: Looks): Evidence => looks[0]
export const lastOf = (looks: Looks): Evidence => looks.at(-1) ?? looks[0]

/** Time from the first look to the last, on a clock that nobody sets. */
export const spanMs = (looks: Looks): number => Math.max(0, lastOf(looks).monotonicMs - firstOf(looks).monotonicMs)

/** Looks of the last `ms`, at least one; the one just before them stays, so that the span is covered whole. */
export const within = (looks: Looks, ms: number): Looks => {
  const from = lastOf(looks).monotonicMs - ms
  const start = looks.findLastIndex((look) => look.monotonicMs <= from)
  const [first, ...rest] = looks.slice(Math.max(0, start))
  return first === undefined ? looks : [first, ...rest]
}

export interface Rate { readonly change: number; readonly perSecond: number; readonly overMs: number }

/**
 * How a counter moved over the series. Missing where there are not two looks,
 * where either end lacks it, or where it went backwards: then it began anew in
 * between (a device removed and added, a cgroup made again) and says nothing.
 */
export const rateOf = (looks: Looks, count: (look: Evidence) => number | null | undefined): Reading<Rate> => {
  const overMs = spanMs(looks)
  if (looks.length < 2 || overMs <= 0) return missing('not-measured', 'needs two looks some time apart')
  let before: number | undefined
  for (const look of looks) {
    const value = count(look)
    if (value === null || value === undefined) return missing('not-supported', 'the counter is not there in every look')
    if (before !== undefined && value < before) return missing('vanished', 'the counter went backwards: it began anew')
    before = value
  }
  const change = (count(lastOf(looks)) ?? 0) - (count(firstOf(looks)) ?? 0)
  return known({ change, perSecond: (change * 1000) / overMs, overMs })
}

/** A counter of /proc/vmstat, or the sum of several; those the kernel lacks count as absent only when all are. */
export const vmstatOf = (look: Evidence, ...names: readonly string[]): number | null => {
  const there = names.flatMap((name) => look.vmstat[name] ?? [])
  return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0)
}

export const vmstatRate = (looks: Looks, ...names: readonly string[]): Reading<Rate> => rateOf(looks, (look) => vmstatOf(look, ...names))

/** A field of /proc/meminfo in bytes, null where the kernel lacks it. */
export const meminfoOf = (look: Evidence, name: string): number | null => look.meminfo[name] ?? null

/** A number in a file of `sysctl` or `mm`; null where it is absent or no number. */
export const numberIn = (files: Evidence['sysctl'], path: string): number | null => {
  const text = files[path]?.value
  return text !== null && text !== undefined && /^-?\d+(?:\.\d+)?$/u.test(text) ? Number(text) : null
}

/** The word chosen in a file like `always [madvise] never`; the whole text where none is marked. */
export const choiceIn = (files: Evidence['sysctl'], path: string): string | null => {
  const text = files[path]?.value
  return text === null || text === undefined ? null : (/\[([^\]]+)\]/u.exec(text)?.[1] ?? text)
}
