import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runSummarySchema, progressSchema } from '../contract/runs.ts'
import { requestFor } from './testing/fake-run.ts'
import { settingsOf } from './testing/fake-tree.ts'
import { UID, runPlace, zram } from './testing/run-place.ts'

const place = runPlace()
const { apply, get, put, recordOf } = place
beforeEach(place.open)
afterEach(place.close)

test('the way of one click: writes in order, kept, undone in reverse', async () => {
  const before = settingsOf(place.root)
  const runId = await apply(zram)
  await place.run.until('waiting')
  expect(place.run.writes).toMatchInlineSnapshot(`
    [
      "/sys/block/zram0/comp_algorithm <- lz4",
      "/sys/block/zram0/disksize <- 8388608000",
      "/sys/kernel/mm/ksm/smart_scan <- 1",
      "/sys/kernel/mm/ksm/pages_to_scan <- 1000",
      "/sys/kernel/mm/ksm/run <- 1",
    ]
  `)
  expect(get('/proc/swaps')).toMatch(/^\/dev\/zram0 partition 8191996 0 100$/mu)

  const kept = await place.run.manager.keep(UID, runId)
  expect(kept.ok && runSummarySchema.parse(kept.value).state).toBe('kept')
  const record = recordOf(runId)
  expect(record.before).toHaveLength(2)
  expect(record.after).not.toBeNull()
  expect(record.steps.map((step) => step.outcome)).toEqual(['done', 'done', 'done', 'done', 'done', 'done'])
  expect(place.run.manager.openRunId()).toBeNull()

  place.run.writes.length = 0
  const undone = await place.run.manager.undo(UID, { runId: null, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(undone.ok && undone.value.undoCause).toBe('user-undo')
  expect(place.run.writes).toEqual(['/sys/kernel/mm/ksm/run <- 0', '/sys/kernel/mm/ksm/pages_to_scan <- 250', '/sys/kernel/mm/ksm/smart_scan <- 0', '/sys/block/zram0/reset <- 1'])
  expect(settingsOf(place.root)).toEqual(before)
  expect(place.run.outcomes.map((outcome) => outcome.state)).toEqual(['waiting', 'kept', 'undone'])
  for (const progress of place.run.progress) progressSchema.parse(progress)
  expect(await place.run.manager.undo(UID, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('watches for as long as asked before the first look that counts, and says so', async () => {
  const slept: number[] = []
  place.start({ deps: { sleep: async (ms) => void slept.push(ms) } })
  await apply(zram, { watchMs: 2500, settleMs: 0 })
  await place.run.until('waiting')
  expect(slept.slice(0, 3)).toEqual([1000, 1000, 500])
  expect(place.run.progress.map(({ text }) => text).filter((text) => text.startsWith('Watching'))).toEqual(['Watching before the change, 3 s left', 'Watching before the change, 2 s left', 'Watching before the change, 1 s left'])
  const fractions = place.run.progress.map(({ fraction }) => fraction)
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
})

test('silence undoes', async () => {
  const before = settingsOf(place.root)
  const runId = await apply(zram, { confirmMs: 20 })
  expect(await place.run.until('undone')).toMatchObject({ runId, cause: 'confirm-timeout', error: null })
  expect(settingsOf(place.root)).toEqual(before)
  expect(await place.run.manager.keep(UID, runId)).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('what somebody else changed since is left alone and reported, and can be tried again', async () => {
  const runId = await apply(zram)
  await place.run.until('waiting')
  await place.run.manager.keep(UID, runId)
  put('/sys/kernel/mm/ksm/pages_to_scan', '4000')
  const undone = await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('partly-undone')
  expect(undone.ok && undone.value.undo.find((line) => line.outcome === 'left-alone')).toMatchObject({ target: '/sys/kernel/mm/ksm/pages_to_scan', old: '250', found: '4000' })
  expect(get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('4000')
  expect(get('/sys/kernel/mm/ksm/run')).toBe('0')

  put('/sys/kernel/mm/ksm/pages_to_scan', '1000')
  const again = await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(again.ok && again.value.state).toBe('undone')
  expect(get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('250')
})

describe('cancelling', () => {
  test('while measuring: nothing was changed', async () => {
    place.start({ deps: { pace: { noiseGapMs: 60_000 } } })
    const runId = await apply(zram)
    const cancelled = await place.run.manager.cancel(UID, runId)
    expect(cancelled.ok && cancelled.value).toMatchObject({ state: 'undone', undoCause: 'user-cancel', error: { code: 'cancelled' } })
    expect(place.run.writes).toEqual([])
    await place.run.manager.close()
    place.start()
    await place.run.manager.cancel(UID, await apply(zram, { watchMs: 60_000 }))
    expect(place.run.writes).toEqual([])
    expect(place.run.manager.openRunId()).toBeNull()
  })

  test('while settling and while waiting: all is taken back', async () => {
    const before = settingsOf(place.root)
    for (const more of [{ settleMs: 60_000 }, { settleMs: 0 }]) {
      const runId = await apply(zram, more)
      await expect.poll(() => place.run.progress.at(-1)?.state).toBe(more.settleMs === 0 ? 'waiting' : 'settling')
      const cancelled = await place.run.manager.cancel(UID, runId)
      expect(cancelled.ok && cancelled.value.state).toBe('undone')
      expect(settingsOf(place.root)).toEqual(before)
    }
  })

  test('in the middle of a step: the step ends, then all is taken back', async () => {
    const before = settingsOf(place.root)
    const it = place.start({ deps: { checkpoint: (name) => (name === 'write zram0 disksize' ? void it.manager.cancel(UID, it.manager.openRunId() ?? '') : undefined) } })
    const runId = await apply(zram)
    expect(await place.run.until('undone')).toMatchObject({ runId, cause: 'user-cancel' })
    expect(settingsOf(place.root)).toEqual(before)
    expect(recordOf(runId).steps).toHaveLength(1)
  })
})

test('what leaves nothing to undo is over once measured, and is not what "undo the last" means', async () => {
  const settled = await apply({ ksm: { mode: 'merge', pagesToScan: 900 } })
  await place.run.until('waiting')
  await place.run.manager.keep(UID, settled)
  const pruning = await place.run.manager.apply(UID, requestFor(place.run.manager, { pruneCache: { level: 1 } }))
  if (!pruning.ok) throw new Error(pruning.error.message)
  await expect.poll(() => recordOf(pruning.value.runId).state).toBe('kept')
  expect(place.run.outcomes.filter((outcome) => outcome.runId === pruning.value.runId).map((outcome) => outcome.state)).toEqual(['kept'])
  const undone = await place.run.manager.undo(UID, { runId: null, cause: 'user-undo' })
  expect(undone).toMatchObject({ ok: true, value: { id: settled, state: 'undone' } })
  expect(await place.run.manager.undo(UID, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('a caller that goes away before answering has not kept the run', async () => {
  const before = settingsOf(place.root)
  const runId = await apply(zram)
  await place.run.until('waiting')
  await place.run.manager.callerGone(runId)
  expect(recordOf(runId)).toMatchObject({ state: 'undone', undoCause: 'caller-gone' })
  expect(settingsOf(place.root)).toEqual(before)
})

test('closing takes an open run back', async () => {
  const before = settingsOf(place.root)
  await apply(zram)
  await place.run.until('waiting')
  await place.run.manager.close()
  expect(settingsOf(place.root)).toEqual(before)
})

test('a plan that differs now is refused', async () => {
  const request = requestFor(place.run.manager, zram)
  put('/sys/kernel/mm/ksm/pages_to_scan', '300')
  expect(await place.run.manager.apply(UID, request)).toMatchObject({ ok: false, error: { code: 'plan-changed', expected: request.digest } })
  expect(place.run.manager.openRunId()).toBeNull()
})

test('the caller may name the run, once', async () => {
  const runId = '20261121T000000Z-00000001'
  expect(await apply(zram, { runId })).toBe(runId)
  await place.run.until('waiting')
  await place.run.manager.keep(UID, runId)
  expect(await place.run.manager.apply(UID, requestFor(place.run.manager, { ksm: { mode: 'keep' } }, { runId }))).toMatchObject({ ok: false, error: { code: 'bad-request' } })
})

test('rollback takes all runs back, newest first', async () => {
  const before = settingsOf(place.root)
  for (const settings of [zram, { ksm: { mode: 'merge', pagesToScan: 2000 } }, { ksm: { mode: 'keep' } }] as const) {
    const runId = await apply(settings)
    await expect.poll(() => place.run.progress.at(-1)?.state).toBe('waiting')
    await place.run.manager.keep(UID, runId)
  }
  const listed = place.run.manager.runs(UID)
  expect(listed.ok && listed.value).toHaveLength(3)
  const undone = await place.run.manager.rollback(UID)
  expect(undone.ok && undone.value.map((record) => record.state)).toEqual(['undone', 'undone', 'undone'])
  expect(settingsOf(place.root)).toEqual(before)
})

test('the scan rate is lowered once the profit is flat, and undo goes back past it', async () => {
  const before = settingsOf(place.root)
  const runId = await apply({ ksm: { mode: 'merge', pagesToScan: 2000, sleepMs: 10, lowerWhenFlat: true } }, { settleMs: 60_000 })
  await expect.poll(() => get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('100')
  await expect.poll(() => get('/sys/kernel/mm/ksm/sleep_millisecs')).toBe('100')
  await place.run.manager.cancel(UID, runId)
  expect(settingsOf(place.root)).toEqual(before)
})

test('the advisor changes pages_to_scan behind our back: the old value comes back all the same', async () => {
  const before = settingsOf(place.root)
  const there = await apply({ ksm: { mode: 'merge', advisor: 'scan-time' } })
  await place.run.until('waiting')
  expect(get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('500')
  const undone = await place.run.manager.undo(UID, { runId: there, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(settingsOf(place.root)).toEqual(before)
})
