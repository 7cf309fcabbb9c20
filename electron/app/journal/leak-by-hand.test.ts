import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { createDiagnose, type Diagnose } from '../diagnose/diagnose.ts'
import { createLeakWatch, growthOfOne, leaksSince } from '../diagnose/growth.ts'
import { LEAK_LIMITS } from '../diagnose/rules/leaks-of-history.ts'
import { lastOf } from '../diagnose/series.ts'
import { healthyLooks, processOf } from '../diagnose/testing/healthy.ts'
import { openHistoryInMemory } from '../history/open.ts'
import { processSeriesId, type History } from '../history/types.ts'
import { createJournal, type Journal } from './journal.ts'

const MB = 1024 ** 2
const HOUR_MS = 3_600_000
const HEALTHY = lastOf(healthyLooks())
const LEAKY = { pid: 4242, startTimeTicks: 42_420 }
const SUBJECT = '4242:42420'
const START_MS = 1_700_000_100_000

let history: History
let nowMs: number
let isRunning: boolean
let diagnose: Diagnose
let journal: Journal

/** A program that grows by 5 MB an hour for ten hours: half of what counts as a leak where nobody says otherwise. */
beforeEach(() => {
  history = openHistoryInMemory({ code: 'internal', message: 'test' })
  isRunning = true
  nowMs = START_MS + 10 * HOUR_MS
  const machine = { availableBytes: 1, agentsCostBytes: 1, compressedBytes: 0, freeBytes: 1, pressurePercent: 0, cacheBytes: 1, swapUsedBytes: null }
  for (let minute = 0; minute <= 600; minute += 1) {
    const stored = history.writer.addSamples(START_MS + minute * 60_000, machine, [], [
      { id: processSeriesId(HEALTHY.bootId, LEAKY, null), label: 'indexer', bytes: 100 * MB + Math.round((minute * 5 * MB) / 60) },
      { id: processSeriesId(HEALTHY.bootId, { pid: 99, startTimeTicks: 1 }, null), label: 'gopls', bytes: 400 * MB },
    ])
    if (!stored.ok) throw new Error(stored.error.message)
    if (minute % 5 === 0) history.writer.rollUp(START_MS + minute * 60_000)
  }
  const look = (): Evidence => ({ ...HEALTHY, takenAtMs: nowMs, uptimeS: 86_400 * 3, processes: [...HEALTHY.processes, ...(isRunning ? [processOf(LEAKY.pid, 'indexer', 150 * MB)] : [])] })
  diagnose = createDiagnose({
    look: async () => ok(look()), rules: [], features: () => [], didNotFall: () => [], leaks: createLeakWatch(history.reader, () => nowMs, LEAK_LIMITS), history,
    planner: { plan: async () => fail('internal', 'no plans here') }, run: () => null, onChanged: () => {}, now: () => nowMs,
  })
  journal = createJournal({ history, found: () => diagnose.get({ leaks: true }), grown: (subject) => diagnose.grown(growthOfOne(history.reader, subject, nowMs)), kernelRelease: () => '6.12', onChanged: () => {}, now: () => nowMs })
})
afterEach(() => { history.close() })

const did = (subject: string, solution = 'restart-it') => journal.did({ rule: 'leaks.history', subject, solution, outcome: 'kept', note: 'quiet since' })

describe('a leak that is one by limits of the user\'s alone', () => {
  test('is shown by these limits and not by the others', async () => {
    const limits = { bytesPerHour: MB, percentPerHour: 1 }
    const shown = await diagnose.leaks(leaksSince(history.reader, START_MS, nowMs, limits), limits)
    expect(shown.ok ? shown.value.flatMap(({ finding }) => finding?.subject ?? []) : shown).toEqual([SUBJECT])
    expect(await diagnose.get({ leaks: true })).toMatchObject({ ok: true, value: { findings: [] } })
  })

  test.each([['while it runs', true, 0], ['once it was started anew, which was the advice', false, 0], ['a day later', false, 24 * HOUR_MS]] as const)('may be said to be mended by hand %s', async (_name, runs, laterMs) => {
    isRunning = runs
    nowMs += laterMs
    expect(await did(SUBJECT)).toMatchObject({ ok: true, value: { kind: 'outcome', rule: 'leaks.history', solution: 'restart-it', outcome: 'kept', note: 'quiet since' } })
    expect(history.reader.outcomesOf('leaks.history', 'restart-it', null, 5)).toHaveLength(1)
  })

  test('and of what never grew, or has no such solution, it may not', async () => {
    expect(await did('99:1')).toMatchObject({ ok: false, error: { code: 'bad-request', message: 'This was not found on this machine.' } })
    expect(await did('7:7')).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(await did(SUBJECT, 'pray')).toMatchObject({ ok: false, error: { expected: 'restart-it, limit-it', got: 'pray' } })
    expect(history.reader.journalTotals().tried).toBe(0)
  })
})
