import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { known } from '../../../helper/contract/known.ts'
import { leakThresholdsSchema, type Leak } from '../../contract/diagnosis.ts'
import { judgeGrowth, type Growth } from './leaks.ts'
import { leaks as rules } from './rules/leaks.ts'
import { healthyLooks, processOf } from './testing/healthy.ts'

/**
 * Real agents, idle and at work, recorded by `npm run long -- leaks --keep FILE`
 * with processes that really leak beside them (testing/recordings/README.md).
 * At no moment of it may anybody else be called a leak.
 */
const FOLDER = join(import.meta.dirname, 'testing', 'recordings')
const PIECE = 64 * 1024
const MB = 1024 ** 2
const MINUTE_S = 60
const limits = leakThresholdsSchema.parse({})

const recordingSchema = z.object({
  minutes: z.number(),
  /** Processes that leak as they were told to, by their place among `processes`. */
  leakers: z.array(z.int()),
  curves: z.array(z.object({ of: z.enum(['agent', 'process']), title: z.string(), leaksBytesPerHour: z.number().nullable(), s: z.array(z.number()), pieces: z.array(z.number()) })),
  processes: z.array(z.object({ name: z.string(), s: z.array(z.number()), pieces: z.array(z.number()) })),
})
type Recording = z.infer<typeof recordingSchema>

const recordings = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name): [string, Recording] => [name, recordingSchema.parse(JSON.parse(readFileSync(join(FOLDER, name), 'utf8')))])

const judged = ({ title, s, pieces }: Recording['curves'][number], untilS: number): Leak => {
  const points = s.flatMap((at, i) => (at <= untilS ? [{ atMs: at * 1000, bytes: (pieces[i] ?? 0) * PIECE }] : []))
  const growth: Growth = { subject: { of: 'agent', agentId: title, title }, points }
  return judgeGrowth(growth, limits)
}

/** What a look of that second would show of these processes; one that is not there is none. */
const lookAt = (base: Evidence, { processes, leakers }: Recording, atS: number): Evidence => ({
  ...base,
  takenAtMs: base.takenAtMs + atS * 1000,
  monotonicMs: base.monotonicMs + atS * 1000,
  uptimeS: base.uptimeS + atS,
  processes: processes.flatMap(({ name, s, pieces }, number) => {
    const i = s.findIndex((one) => Math.abs(one - atS) <= 10)
    return i === -1 || leakers.includes(number) ? [] : [processOf(1000 + number, name, (pieces[i] ?? 0) * PIECE, { ref: { pid: 1000 + number, startTimeTicks: Math.round((base.uptimeS + (s[0] ?? 0)) * 100) }, anonBytes: known((pieces[i] ?? 0) * PIECE) })]
  }),
})

/** Seconds before the last look: as the window asks for long, and as somebody who asks a few times. */
const SERIES: Readonly<Record<string, readonly number[]>> = {
  'the window, open for a quarter of an hour': [900, 840, 780, 720, 660, 600, 540, 480, 420, 360, 300, 240, 180, 120, 60, 40, 20, 0],
  'five looks 20 s apart': [80, 60, 40, 20, 0],
  'four looks 40 s apart': [120, 80, 40, 0],
  'five looks a minute apart': [240, 180, 120, 60, 0],
}

test('there are recordings', () => {
  expect(recordings.length).toBeGreaterThan(0)
})

describe.each(recordings)('%s', (_name, recording) => {
  const endS = recording.minutes * MINUTE_S

  test('nobody at work or at rest is called a leak, at any minute', () => {
    const alarms: string[] = []
    for (const curve of recording.curves.filter(({ leaksBytesPerHour }) => leaksBytesPerHour === null)) {
      for (let atS = MINUTE_S; atS <= endS; atS += MINUTE_S) {
        const { verdict, why } = judged(curve, atS)
        if (verdict === 'leak' || verdict === 'suspected') alarms.push(`${curve.of} ${curve.title} after ${atS / MINUTE_S} min: ${verdict}, ${why}`)
      }
    }
    expect(alarms).toEqual([])
  })

  test('who leaks is found by the end, by about as much as was put in', () => {
    const leakers = recording.curves.filter(({ leaksBytesPerHour }) => leaksBytesPerHour !== null)
    expect(leakers.length).toBe(2)
    for (const leaker of leakers) {
      const { verdict, bytesPerHour, why } = judged(leaker, Infinity)
      const { leaksBytesPerHour } = leaker
      // Of a slow one that much is seen to grow only after three quarters of an hour.
      expect(recording.minutes >= 45 ? ['leak'] : ['leak', 'too-short'], why).toContain(verdict)
      // Garbage on top of the one makes its floor less sharp.
      const error = Math.abs(bytesPerHour / (leaksBytesPerHour ?? 0) - 1)
      expect(error, why).toBeLessThan((leaksBytesPerHour ?? 0) > 100 * MB ? 0.25 : 0.1)
    }
  })

  test.each(Object.entries(SERIES))('the rule over a few looks is silent of all of them: %s', (_words, before) => {
    const [base] = healthyLooks()
    const alarms: string[] = []
    for (let atS = before[0] ?? 0; atS <= endS; atS += 20) {
      const [first, ...rest] = before.map((seconds) => lookAt(base, recording, atS - seconds))
      if (first === undefined) continue
      for (const rule of rules) for (const { title = rule.title, explanation } of rule.find([first, ...rest], rule.thresholds)) alarms.push(`after ${atS} s: ${title}: ${explanation}`)
    }
    expect(alarms).toEqual([])
  })
})
