import { describe, expect, test } from 'vitest'
import { leakSchema, type Leak } from '../../contract/diagnosis.ts'
import { findLeaks, judgeGrowth, type Growth } from './leaks.ts'
import { theilSen } from './slope.ts'
import { bursts, cache, growthOf, leaking, sawTooth, steady, step, warmUp, type Shape } from './testing/shapes.ts'

const MB = 1024 ** 2
const limits = { bytesPerHour: 10 * MB, percentPerHour: 10 }
const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1)

const verdicts = (shape: Shape, hours: number): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const seed of SEEDS) {
    const { verdict } = judgeGrowth(growthOf(shape, { hours, seed }), limits)
    counts[verdict] = (counts[verdict] ?? 0) + 1
  }
  return counts
}
const share = (counts: Record<string, number>, ...wanted: Leak['verdict'][]): number => wanted.reduce((sum, verdict) => sum + (counts[verdict] ?? 0), 0) / SEEDS.length

describe('what leaks is found', () => {
  test.each([
    ['slowly', leaking(100 * MB, 15 * MB), 6],
    ['fast', leaking(300 * MB, 200 * MB), 1],
    ['below a saw-tooth of collected garbage', sawTooth(200 * MB, 150 * MB, 4, 40 * MB), 4],
    ['below slow collections', sawTooth(200 * MB, 300 * MB, 1.3, 60 * MB), 6],
    ['from a small beginning', leaking(20 * MB, 30 * MB), 2],
  ] as const)('%s', (_name, shape, hours) => {
    const counts = verdicts(shape, hours)
    expect(share(counts, 'leak', 'suspected'), JSON.stringify(counts)).toBe(1)
    expect(share(counts, 'leak'), JSON.stringify(counts)).toBeGreaterThanOrEqual(0.9)
  })
})

describe('what does not leak is not called one', () => {
  test.each([
    ['steady', steady(400 * MB), 4, ['steady']],
    ['starting up', warmUp(100 * MB, 300 * MB, 0.3), 3, ['warm-up']],
    ['a cache that fills', cache(150 * MB, 250 * MB, 0.5), 5, ['levels-off', 'warm-up']],
    ['a cache that fills slowly', cache(150 * MB, 250 * MB, 1), 6, ['levels-off', 'warm-up']],
    ['collecting garbage', sawTooth(150 * MB, 200 * MB, 5), 4, ['saw-tooth']],
    ['collecting garbage rarely', sawTooth(150 * MB, 300 * MB, 0.8), 8, ['saw-tooth', 'steady']],
    ['loading something once', step(200 * MB, 300 * MB, 2), 4, ['levels-off', 'warm-up', 'steady']],
    ['working in bursts', bursts(250 * MB, 200 * MB, 0.5), 4, ['saw-tooth', 'steady']],
    ['growing by less than 10 MB an hour', leaking(30 * MB, 8 * MB), 6, ['steady']],
    ['growing by less than 10 % an hour', leaking(2000 * MB, 60 * MB), 6, ['steady', 'levels-off', 'warm-up']],
  ] as const)('%s', (_name, shape, hours, wanted) => {
    const counts = verdicts(shape, hours)
    expect(share(counts, 'leak', 'suspected'), JSON.stringify(counts)).toBe(0)
    expect(share(counts, ...wanted), JSON.stringify(counts)).toBe(1)
  })
})

test('what begins, what garbage explains, and what is not sure need more time', () => {
  const at = (shape: Shape, hours: number): Leak => judgeGrowth(growthOf(shape, { hours, everyMin: 1 }), limits)
  // As steep as an agent that begins to work: the same growth is a leak once it has gone on.
  expect(at(leaking(300 * MB, 600 * MB), 0.6).verdict).toBe('too-short')
  expect(at(leaking(300 * MB, 600 * MB), 0.75).verdict).toBe('leak')
  // A small heap that was not collected yet.
  expect(at(leaking(54 * MB, 16 * MB), 1)).toMatchObject({ verdict: 'too-short', why: expect.stringContaining('garbage not collected yet') as string })
  expect(at(leaking(54 * MB, 16 * MB), 4).verdict).toBe('leak')
})

test('both thresholds must be passed, and are the user\'s', () => {
  const growth = growthOf(leaking(100 * MB, 15 * MB), { hours: 6 })
  expect(judgeGrowth(growth, { bytesPerHour: 16 * MB, percentPerHour: 10 }).verdict).not.toBe('leak')
  expect(judgeGrowth(growth, { bytesPerHour: 10 * MB, percentPerHour: 18 }).verdict).not.toBe('leak')
  expect(judgeGrowth(growth, { bytesPerHour: 12 * MB, percentPerHour: 12 }).verdict).toBe('leak')
})

test('the slope is what was put in, with an interval around it, and outliers do not move it', () => {
  const { points, subject } = growthOf(leaking(200 * MB, 50 * MB), { hours: 4, seed: 7 })
  const spiked: Growth = { subject, points: points.map((point, i) => (i % 9 === 0 && point.bytes !== null ? { ...point, bytes: point.bytes + 500 * MB } : point)) }
  for (const growth of [{ subject, points }, spiked]) {
    const leak = judgeGrowth(growth, limits)
    expect(leak.bytesPerHour / MB).toBeGreaterThan(45)
    expect(leak.bytesPerHour / MB).toBeLessThan(55)
    expect(leak.bytesPerHourLow).toBeLessThanOrEqual(leak.bytesPerHour)
    expect(leak.bytesPerHourHigh).toBeGreaterThanOrEqual(leak.bytesPerHour)
    expect(leakSchema.parse(leak)).toEqual(leak)
  }
})

test('too little to say is said, and nothing known breaks nothing', () => {
  expect(judgeGrowth(growthOf(leaking(100 * MB, 900 * MB), { hours: 0.2 }), limits).verdict).toBe('too-short')
  const empty: Growth = { subject: { of: 'agent', agentId: 'x', title: 'x' }, points: [{ atMs: 1, bytes: null }] }
  expect(judgeGrowth(empty, limits)).toMatchObject({ verdict: 'too-short', nowBytes: 0, bytesPerHour: 0 })
  expect(theilSen([])).toEqual({ perHour: 0, low: 0, high: 0, atStart: 0 })
})

test('leaks come first, the fastest first', () => {
  const found = findLeaks([growthOf(steady(100 * MB), { hours: 3, seed: 1 }), growthOf(leaking(100 * MB, 30 * MB), { hours: 3, seed: 2 }), growthOf(leaking(100 * MB, 90 * MB), { hours: 3, seed: 3 })], limits)
  expect(found.map(({ verdict }) => verdict)).toEqual(['leak', 'leak', 'steady'])
  expect(found.map(({ subject }) => (subject.of === 'process' ? subject.pid : 0))).toEqual([3, 2, 1])
})

test('the curve is of the time it is known for, and broken only where nobody looked', () => {
  const step = 40_000
  // Points every 40 s of looks every 60 s, of a process that began after 100 points and was not seen for 30 of them.
  const points = Array.from({ length: 300 }, (_, i) => ({ atMs: i * step, bytes: i < 100 || i >= 280 || (i >= 200 && i < 230) || i % 3 === 2 ? null : 100 * MB + i * MB }))
  const { curve } = judgeGrowth({ subject: { of: 'agent', agentId: 'x', title: 'x' }, points }, limits)
  expect(curve[0]?.atMs).toBe(100 * step)
  expect(curve.at(-1)?.atMs).toBe(279 * step)
  expect(curve.filter(({ bytes }) => bytes === null)).toHaveLength(1)
})

test('the curve keeps its end, its floors and the line through them', () => {
  const leak = judgeGrowth(growthOf(sawTooth(200 * MB, 150 * MB, 4, 40 * MB), { hours: 20, everyMin: 1 }), limits)
  expect(leak.curve.length).toBeLessThan(600)
  expect(leak.curve.filter(({ floorBytes }) => floorBytes !== null).length).toBeGreaterThan(20)
  expect((leak.curve.at(-1)?.fitBytes ?? 0) - (leak.curve[0]?.fitBytes ?? 0)).toBeGreaterThan(19 * 35 * MB)
})
