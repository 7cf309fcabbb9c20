import { z } from 'zod'
import { missing } from './known.ts'
import { numberReading, type Reading } from './reading.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * What shows in rates, not in bytes: how often programs had to wait for memory
 * between the two looks before a change, and between the change and the look
 * after it. Told only where both times are long enough for something that comes
 * every few seconds to be in both.
 */

/** Over less than this one burst more or less decides. */
export const LEAST_WINDOW_MS = 15_000

export const rateRowSchema = z.object({
  id: z.enum(['stalls', 'lost-time', 'read-back']),
  label: z.string(),
  unit: z.enum(['per-minute', 'percent']),
  before: numberReading,
  after: numberReading,
})
export type RateRow = z.infer<typeof rateRowSchema>

export const rateDeltaSchema = z.object({
  beforeMs: z.number(),
  afterMs: z.number(),
  rows: z.array(rateRowSchema),
  /** Of the first row that says anything; null where there was next to nothing on either side. */
  verdict: z.enum(['better', 'worse', 'no-difference']).nullable(),
})
export type RateDelta = z.infer<typeof rateDeltaSchema>

interface Counter {
  readonly id: RateRow['id']
  readonly label: string
  readonly unit: RateRow['unit']
  readonly of: (snapshot: Snapshot) => number | null
  /** Of the unit, what one of the counter is in a millisecond. */
  readonly scale: number
  /** Less than this on both sides says nothing. */
  readonly least: number
}

const PER_MINUTE = 60_000

const COUNTERS: readonly Counter[] = [
  { id: 'stalls', label: 'Requests for memory that had to wait', unit: 'per-minute', scale: PER_MINUTE, least: 10, of: ({ machine }) => machine.vm.allocStalls?.value ?? null },
  // Microseconds a millisecond are tenths of a percent.
  { id: 'lost-time', label: 'Time in which all that wanted to work waited for memory', unit: 'percent', scale: 0.1, least: 1, of: ({ machine }) => machine.memoryPressure.value?.full.value?.totalUs ?? null },
  { id: 'read-back', label: 'Pages read back from swap or files', unit: 'per-minute', scale: PER_MINUTE, least: 600, of: ({ machine }) => machine.vm.majorFaults },
]

/** What is no chance: a burst more or less in a window of several. */
const CLEAR = 0.7

const rateOf = (from: Snapshot, to: Snapshot, { of, scale }: Counter): Reading => {
  const [was, is] = [of(from), of(to)]
  if (was === null || is === null) return missing('not-supported')
  if (is < was) return missing('vanished', 'the counter went backwards: it began anew')
  return { value: Math.round(((is - was) * scale * 10) / (to.monotonicMs - from.monotonicMs)) / 10 }
}

const verdictOf = (rows: readonly RateRow[]): RateDelta['verdict'] => {
  for (const { id, before, after } of rows) {
    const least = COUNTERS.find((counter) => counter.id === id)?.least ?? 0
    if (before.value === null || after.value === null || Math.max(before.value, after.value) < least) continue
    if (after.value <= before.value * CLEAR) return 'better'
    return before.value <= after.value * CLEAR ? 'worse' : 'no-difference'
  }
  return null
}

/** Null where the two sides were not watched for long enough, or not in one boot. */
export const rateDelta = (before: readonly Snapshot[], after: Snapshot): RateDelta | null => {
  const [first, base] = before
  if (first === undefined || base === undefined || first.bootId !== after.bootId || base.bootId !== after.bootId) return null
  const beforeMs = base.monotonicMs - first.monotonicMs
  const afterMs = after.monotonicMs - base.monotonicMs
  if (beforeMs < LEAST_WINDOW_MS || afterMs < LEAST_WINDOW_MS) return null
  const rows = COUNTERS.map((counter): RateRow => ({ id: counter.id, label: counter.label, unit: counter.unit, before: rateOf(first, base, counter), after: rateOf(base, after, counter) }))
  return { beforeMs, afterMs, rows, verdict: verdictOf(rows) }
}
