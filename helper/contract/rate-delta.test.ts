import { expect, test } from 'vitest'
import { known, missing } from './known.ts'
import { LEAST_WINDOW_MS, rateDelta, rateDeltaSchema } from './rate-delta.ts'
import type { Snapshot } from './snapshot.ts'

interface At { readonly ms: number; readonly stalls?: number | null; readonly lostMs?: number; readonly faults?: number; readonly boot?: string }

/** As much of a snapshot as rates are made of. */
const at = ({ ms, stalls = 0, lostMs = 0, faults = 0, boot = 'one' }: At): Snapshot => {
  const line = { avg10Percent: 0, avg60Percent: 0, avg300Percent: 0, totalUs: lostMs * 1000 }
  const machine = { memoryPressure: known({ some: line, full: known(line) }), vm: { majorFaults: faults, ...(stalls === null ? {} : { allocStalls: known(stalls) }) } }
  return { monotonicMs: ms, bootId: boot, machine } as unknown as Snapshot
}
const of = (first: At, base: At, after: At) => rateDelta([at(first), at(base)], at(after))

test('counters become rates, each over its own time', () => {
  const rates = of({ ms: 0, stalls: 100, lostMs: 0, faults: 0 }, { ms: 40_000, stalls: 140, lostMs: 2_000, faults: 20 }, { ms: 100_000, stalls: 143, lostMs: 2_300, faults: 40 })
  expect(rateDeltaSchema.parse(rates)).toEqual(rates)
  expect(rates).toMatchObject({ beforeMs: 40_000, afterMs: 60_000, verdict: 'better' })
  expect(rates?.rows.map(({ id, unit, before, after }) => [id, unit, before.value, after.value])).toEqual([['stalls', 'per-minute', 60, 3], ['lost-time', 'percent', 5, 0.5], ['read-back', 'per-minute', 30, 20]])
})

test('bursts every eight seconds are no difference, however they fall into the two times', () => {
  // 18 stalls each: of forty seconds one has five bursts, the other four.
  const verdict = (before: number, after: number) => of({ ms: 0 }, { ms: 40_000, stalls: before * 18 }, { ms: 81_000, stalls: (before + after) * 18 })?.verdict
  expect(verdict(5, 4)).toBe('no-difference')
  expect(verdict(4, 5)).toBe('no-difference')
  expect(verdict(5, 1)).toBe('better')
  expect(verdict(1, 5)).toBe('worse')
})

test('what hardly ever waited says nothing; then the next figure is asked', () => {
  expect(of({ ms: 0 }, { ms: 60_000, stalls: 9 }, { ms: 120_000, stalls: 9 })?.verdict).toBeNull()
  expect(of({ ms: 0 }, { ms: 60_000, stalls: 10 }, { ms: 120_000, stalls: 10 })?.verdict).toBe('better')
  // No stalls, but time lost: 10 % and then 2 %.
  expect(of({ ms: 0 }, { ms: 60_000, lostMs: 6_000 }, { ms: 120_000, lostMs: 7_200 })?.verdict).toBe('better')
  // A helper of before that does not count stalls.
  expect(of({ ms: 0, stalls: null }, { ms: 60_000, stalls: null, lostMs: 600 }, { ms: 120_000, stalls: null, lostMs: 6_600 })).toMatchObject({ verdict: 'worse', rows: [{ before: missing('not-supported') }, {}, {}] })
})

test('two times that are too short, of two boots, or a counter that began anew are not compared', () => {
  const least = LEAST_WINDOW_MS
  expect(of({ ms: 0 }, { ms: least, stalls: 90 }, { ms: 2 * least, stalls: 90 })?.verdict).toBe('better')
  expect(of({ ms: 0 }, { ms: least - 1, stalls: 90 }, { ms: 3 * least, stalls: 90 })).toBeNull()
  expect(of({ ms: 0 }, { ms: 2 * least, stalls: 90 }, { ms: 3 * least - 1, stalls: 90 })).toBeNull()
  expect(of({ ms: 0 }, { ms: least, stalls: 90 }, { ms: 2 * least, stalls: 90, boot: 'two' })).toBeNull()
  expect(rateDelta([at({ ms: 0 })], at({ ms: 60_000 }))).toBeNull()
  expect(of({ ms: 0, stalls: 50 }, { ms: least, stalls: 40 }, { ms: 2 * least, stalls: 45 })?.rows[0]?.before).toMatchObject({ value: null, reason: 'vanished' })
})
