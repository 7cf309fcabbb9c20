import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fail } from '../contract/result.ts'
import type { PresetSettings } from '../contract/presets.ts'
import { runRecordSchema, runSummarySchema, progressSchema } from '../contract/runs.ts'
import { fakeKernel, fakeTools, layOut, settingsOf } from './testing/fake-tree.ts'
import { fakeRun, presetFile, requestFor, snapshotOf, type FakeRun } from './testing/fake-run.ts'

const UID = 1000
const zram: PresetSettings = { compressedSwap: { mode: 'zram', compressors: ['lz4'] }, ksm: { mode: 'merge', pagesToScan: 1000, smartScan: true } }

let root = ''
let run: FakeRun

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-run-'))
  layOut(root)
  run = fakeRun(root)
})
afterEach(async () => {
  await run.manager.close()
  rmSync(root, { recursive: true, force: true })
})

const apply = async (settings: PresetSettings, more: Parameters<typeof requestFor>[2] = {}, it = run): Promise<string> => {
  const applied = await it.manager.apply(UID, requestFor(it.manager, settings, more))
  if (!applied.ok) throw new Error(applied.error.message)
  return applied.value.runId
}

const put = (path: string, value: string): void => writeFileSync(join(root, path), `${value}\n`)
const get = (path: string): string => readFileSync(join(root, path), 'utf8').trim()
const recordOf = (runId: string, uid = UID, it = run) => {
  const record = it.manager.run(uid, runId)
  if (!record.ok) throw new Error(record.error.message)
  return runRecordSchema.parse(record.value)
}

test('the way of one click: writes in order, kept, undone in reverse', async () => {
  const before = settingsOf(root)
  const runId = await apply(zram)
  await run.until('waiting')
  expect(run.writes).toMatchInlineSnapshot(`
    [
      "/sys/block/zram0/comp_algorithm <- lz4",
      "/sys/block/zram0/disksize <- 8388608000",
      "/sys/kernel/mm/ksm/smart_scan <- 1",
      "/sys/kernel/mm/ksm/pages_to_scan <- 1000",
      "/sys/kernel/mm/ksm/run <- 1",
    ]
  `)
  expect(get('/proc/swaps')).toMatch(/^\/dev\/zram0 partition 8191996 0 100$/mu)

  const kept = await run.manager.keep(UID, runId)
  expect(kept.ok && runSummarySchema.parse(kept.value).state).toBe('kept')
  const record = recordOf(runId)
  expect(record.before).toHaveLength(2)
  expect(record.after).not.toBeNull()
  expect(record.steps.map((step) => step.outcome)).toEqual(['done', 'done', 'done', 'done', 'done', 'done'])
  expect(run.manager.openRunId()).toBeNull()

  run.writes.length = 0
  const undone = await run.manager.undo(UID, { runId: null, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(undone.ok && undone.value.undoCause).toBe('user-undo')
  expect(run.writes).toEqual(['/sys/kernel/mm/ksm/run <- 0', '/sys/kernel/mm/ksm/pages_to_scan <- 250', '/sys/kernel/mm/ksm/smart_scan <- 0', '/sys/block/zram0/reset <- 1'])
  expect(settingsOf(root)).toEqual(before)
  expect(run.outcomes.map((outcome) => outcome.state)).toEqual(['waiting', 'kept', 'undone'])
  for (const progress of run.progress) progressSchema.parse(progress)
  expect(await run.manager.undo(UID, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('watches for as long as asked before the first look that counts, and says so', async () => {
  const slept: number[] = []
  run = fakeRun(root, { deps: { sleep: async (ms) => void slept.push(ms) } })
  await apply(zram, { watchMs: 2500, settleMs: 0 })
  await run.until('waiting')
  expect(slept.slice(0, 3)).toEqual([1000, 1000, 500])
  expect(run.progress.map(({ text }) => text).filter((text) => text.startsWith('Watching'))).toEqual(['Watching before the change, 3 s left', 'Watching before the change, 2 s left', 'Watching before the change, 1 s left'])
  const fractions = run.progress.map(({ fraction }) => fraction)
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
})

test('silence undoes', async () => {
  const before = settingsOf(root)
  const runId = await apply(zram, { confirmMs: 20 })
  expect(await run.until('undone')).toMatchObject({ runId, cause: 'confirm-timeout', error: null })
  expect(settingsOf(root)).toEqual(before)
  expect(await run.manager.keep(UID, runId)).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('a step that fails in the middle takes the earlier ones back', async () => {
  const before = settingsOf(root)
  const kernel = fakeKernel(root)
  run = fakeRun(root, {
    deps: {
      kernel: { ...kernel, write: async (path, value) => (path.endsWith('ksm/run') && value === '1' ? fail('write-refused', 'The kernel refused.', { got: 'EBUSY' }) : kernel.write(path, value)) },
    },
  })
  const runId = await apply(zram)
  expect(await run.until('failed')).toMatchObject({ cause: 'step-failed', error: { code: 'write-refused' } })
  const record = recordOf(runId)
  expect(record.steps.at(-1)).toMatchObject({ target: '/sys/kernel/mm/ksm/run', outcome: 'failed', error: { code: 'write-refused' } })
  expect(record.undo.map((line) => line.outcome)).toEqual(['already-so', 'restored', 'restored', 'restored', 'restored'])
  expect(settingsOf(root)).toEqual(before)
})

test('a kernel that takes a value and keeps another one fails the step', async () => {
  const before = settingsOf(root)
  const kernel = fakeKernel(root)
  run = fakeRun(root, {
    deps: {
      kernel: {
        ...kernel,
        write: async (path, value) => (path.endsWith('pages_to_scan') && value === '1000' ? kernel.write(path, '500') : kernel.write(path, value)),
      },
    },
  })
  const runId = await apply({ ksm: { mode: 'merge', smartScan: true, pagesToScan: 1000 } })
  await run.until('partly-undone')
  const record = recordOf(runId)
  expect(record.error).toMatchObject({ code: 'read-back-differs', expected: '1000', got: '500' })
  // What it holds is neither old nor new: reported, never forced.
  expect(record.undo[0]).toMatchObject({ target: '/sys/kernel/mm/ksm/pages_to_scan', outcome: 'left-alone', found: '500' })
  expect({ ...settingsOf(root), '/sys/kernel/mm/ksm/pages_to_scan': '250' }).toEqual(before)
})

test('what somebody else changed since is left alone and reported, and can be tried again', async () => {
  const runId = await apply(zram)
  await run.until('waiting')
  await run.manager.keep(UID, runId)
  put('/sys/kernel/mm/ksm/pages_to_scan', '4000')
  const undone = await run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('partly-undone')
  expect(undone.ok && undone.value.undo.find((line) => line.outcome === 'left-alone')).toMatchObject({ target: '/sys/kernel/mm/ksm/pages_to_scan', old: '250', found: '4000' })
  expect(get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('4000')
  expect(get('/sys/kernel/mm/ksm/run')).toBe('0')

  put('/sys/kernel/mm/ksm/pages_to_scan', '1000')
  const again = await run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(again.ok && again.value.state).toBe('undone')
  expect(get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('250')
})

describe('cancelling', () => {
  test('while measuring: nothing was changed', async () => {
    run = fakeRun(root, { deps: { pace: { noiseGapMs: 60_000 } } })
    const runId = await apply(zram)
    const cancelled = await run.manager.cancel(UID, runId)
    expect(cancelled.ok && cancelled.value).toMatchObject({ state: 'undone', undoCause: 'user-cancel', error: { code: 'cancelled' } })
    expect(run.writes).toEqual([])
    await run.manager.close()
    run = fakeRun(root)
    await run.manager.cancel(UID, await apply(zram, { watchMs: 60_000 }))
    expect(run.writes).toEqual([])
    expect(run.manager.openRunId()).toBeNull()
  })

  test('while settling and while waiting: all is taken back', async () => {
    const before = settingsOf(root)
    for (const more of [{ settleMs: 60_000 }, { settleMs: 0 }]) {
      const runId = await apply(zram, more)
      await expect.poll(() => run.progress.at(-1)?.state).toBe(more.settleMs === 0 ? 'waiting' : 'settling')
      const cancelled = await run.manager.cancel(UID, runId)
      expect(cancelled.ok && cancelled.value.state).toBe('undone')
      expect(settingsOf(root)).toEqual(before)
    }
  })

  test('in the middle of a step: the step ends, then all is taken back', async () => {
    const before = settingsOf(root)
    const it = fakeRun(root, { deps: { checkpoint: (name) => (name === 'write zram0 disksize' ? void it.manager.cancel(UID, it.manager.openRunId() ?? '') : undefined) } })
    run = it
    const runId = await apply(zram)
    expect(await run.until('undone')).toMatchObject({ runId, cause: 'user-cancel' })
    expect(settingsOf(root)).toEqual(before)
    expect(recordOf(runId).steps).toHaveLength(1)
  })
})

test('what leaves nothing to undo is over once measured, and is not what "undo the last" means', async () => {
  const settled = await apply({ ksm: { mode: 'merge', pagesToScan: 900 } })
  await run.until('waiting')
  await run.manager.keep(UID, settled)
  const pruning = await run.manager.apply(UID, requestFor(run.manager, { pruneCache: { level: 1 } }))
  if (!pruning.ok) throw new Error(pruning.error.message)
  await expect.poll(() => recordOf(pruning.value.runId).state).toBe('kept')
  expect(run.outcomes.filter((outcome) => outcome.runId === pruning.value.runId).map((outcome) => outcome.state)).toEqual(['kept'])
  const undone = await run.manager.undo(UID, { runId: null, cause: 'user-undo' })
  expect(undone).toMatchObject({ ok: true, value: { id: settled, state: 'undone' } })
  expect(await run.manager.undo(UID, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('a caller that goes away before answering has not kept the run', async () => {
  const before = settingsOf(root)
  const runId = await apply(zram)
  await run.until('waiting')
  await run.manager.callerGone(runId)
  expect(recordOf(runId)).toMatchObject({ state: 'undone', undoCause: 'caller-gone' })
  expect(settingsOf(root)).toEqual(before)
})

test('closing takes an open run back', async () => {
  const before = settingsOf(root)
  await apply(zram)
  await run.until('waiting')
  await run.manager.close()
  expect(settingsOf(root)).toEqual(before)
})

describe('one open run over all users', () => {
  test('the same user is told which, another user is not', async () => {
    const request = requestFor(run.manager, zram)
    const [first, second] = await Promise.all([run.manager.apply(UID, request), run.manager.apply(UID, request)])
    expect(first.ok).toBe(true)
    expect(second).toMatchObject({ ok: false, error: { code: 'busy', runId: first.ok ? first.value.runId : '' } })
    const other = await run.manager.apply(2000, request)
    expect(other).toMatchObject({ ok: false, error: { code: 'busy' } })
    expect(JSON.stringify(other)).not.toContain(first.ok ? first.value.runId : '')
  })

  test('runs of others are not to be seen, kept, cancelled or undone', async () => {
    const runId = await apply(zram)
    await run.until('waiting')
    const notYours = { ok: false, error: { code: 'not-yours' } }
    expect(run.manager.run(2000, runId)).toMatchObject(notYours)
    expect(run.manager.runs(2000)).toEqual({ ok: true, value: [] })
    expect(await run.manager.keep(2000, runId)).toMatchObject(notYours)
    expect(await run.manager.cancel(2000, runId)).toMatchObject(notYours)
    expect(await run.manager.undo(2000, { runId, cause: 'user-undo' })).toMatchObject(notYours)
    expect(await run.manager.undo(2000, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
    expect(await run.manager.rollback(2000)).toEqual({ ok: true, value: [] })
    expect(recordOf(runId).state).toBe('waiting')
  })

  test('one that nobody answers does not hold up other users', async () => {
    await run.manager.close()
    run = fakeRun(root, { deps: { pace: { noiseGapMs: 1, othersWaitMs: 30 } } })
    const before = settingsOf(root)
    const request = requestFor(run.manager, zram, { confirmMs: 3_600_000 })
    const applied = await run.manager.apply(1000, request)
    const runId = applied.ok ? applied.value.runId : ''
    await run.until('waiting')
    const longMs = recordOf(runId).confirmUntilMs ?? 0
    expect(await run.manager.apply(2000, request)).toMatchObject({ ok: false, error: { code: 'busy' } })
    expect(longMs - (recordOf(runId).confirmUntilMs ?? 0)).toBeGreaterThan(3_000_000)
    expect(run.progress.at(-1)).toMatchObject({ state: 'waiting', text: expect.stringContaining('Another user'), canCancel: true })
    expect(await run.until('undone')).toMatchObject({ runId, cause: 'confirm-timeout' })
    expect(settingsOf(root)).toEqual(before)
  })

  test('the user who has it open does not shorten it by asking again', async () => {
    const runId = await apply(zram)
    await run.until('waiting')
    const untilMs = recordOf(runId).confirmUntilMs
    expect(await run.manager.apply(UID, requestFor(run.manager, zram))).toMatchObject({ ok: false, error: { code: 'busy', runId } })
    expect(recordOf(runId).confirmUntilMs).toBe(untilMs)
  })

  test('two helpers: the second changes nothing', async () => {
    await apply(zram)
    const text = readFileSync(join(root, '/var/lib/agentmem/lock'), 'utf8')
    // Process 1 is alive: its start time stands in for that of another helper.
    const start = readFileSync('/proc/1/stat', 'utf8').split(') ')[1]?.split(' ')[19]
    writeFileSync(join(root, '/var/lib/agentmem/lock'), `1 ${start} ${text.trim().split(' ')[2]}\n`)
    const second = fakeRun(root)
    expect(await second.manager.apply(UID, requestFor(second.manager, zram))).toMatchObject({ ok: false, error: { code: 'busy' } })
    expect(second.writes).toEqual([])
  })

  test('recovery waits for a killed helper that still holds the lock', async () => {
    const before = settingsOf(root)
    const runId = await apply(zram)
    await run.until('waiting')
    const lockPath = join(root, '/var/lib/agentmem/lock')
    const bootId = readFileSync(lockPath, 'utf8').trim().split(' ')[2] ?? ''
    // Another process stands in for the dying one.
    const dying = spawn('sleep', ['1000'])
    const stat = readFileSync(`/proc/${dying.pid}/stat`, 'utf8')
    writeFileSync(lockPath, `${dying.pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]} ${bootId}\n`)
    const second = fakeRun(root)
    let done = false
    const recovered = second.manager.recover().finally(() => { done = true })
    await new Promise((resolve) => { setTimeout(resolve, 0) })
    expect(done).toBe(false)
    expect(second.writes).toEqual([])
    dying.kill('SIGKILL')
    expect((await recovered).map(({ id, state }) => [id, state])).toEqual([[runId, 'undone']])
    expect(settingsOf(root)).toEqual(before)
    await second.manager.close()
  })
})

test('a plan that differs now is refused', async () => {
  const request = requestFor(run.manager, zram)
  put('/sys/kernel/mm/ksm/pages_to_scan', '300')
  expect(await run.manager.apply(UID, request)).toMatchObject({ ok: false, error: { code: 'plan-changed', expected: request.digest } })
  expect(run.manager.openRunId()).toBeNull()
})

test('the caller may name the run, once', async () => {
  const runId = '20261121T000000Z-00000001'
  expect(await apply(zram, { runId })).toBe(runId)
  await run.until('waiting')
  await run.manager.keep(UID, runId)
  expect(await run.manager.apply(UID, requestFor(run.manager, { ksm: { mode: 'keep' } }, { runId }))).toMatchObject({ ok: false, error: { code: 'bad-request' } })
})

test('rollback takes all runs back, newest first', async () => {
  const before = settingsOf(root)
  for (const settings of [zram, { ksm: { mode: 'merge', pagesToScan: 2000 } }, { ksm: { mode: 'keep' } }] as const) {
    const runId = await apply(settings)
    await expect.poll(() => run.progress.at(-1)?.state).toBe('waiting')
    await run.manager.keep(UID, runId)
  }
  const listed = run.manager.runs(UID)
  expect(listed.ok && listed.value).toHaveLength(3)
  const undone = await run.manager.rollback(UID)
  expect(undone.ok && undone.value.map((record) => record.state)).toEqual(['undone', 'undone', 'undone'])
  expect(settingsOf(root)).toEqual(before)
})

test('everything off removes our swap, and undo makes it again', async () => {
  const first = await apply(zram)
  await run.until('waiting')
  await run.manager.keep(UID, first)
  const withSwap = settingsOf(root)
  const off = await apply(presetFile('everything-off').settings)
  await expect.poll(() => run.progress.at(-1)?.state).toBe('waiting')
  expect(get('/proc/swaps')).not.toContain('zram0')
  expect(get('/sys/block/zram0/disksize')).toBe('0')
  const undone = await run.manager.undo(UID, { runId: off, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(settingsOf(root)).toEqual(withSwap)
})

describe('memory that does not fit', () => {
  const full = (availableKib: number) => {
    put('/proc/meminfo', readFileSync(join(root, '/proc/meminfo'), 'utf8').replace(/MemAvailable:\s+\d+ kB/u, `MemAvailable: ${availableKib} kB`).trim())
  }

  test('undo waits for memory, undoes the rest at once, and ends when it fits', async () => {
    run = fakeRun(root, { usedKib: 4_000_000, deps: { pace: { noiseGapMs: 1, retryMs: 5, giveUpMs: 60_000 } } })
    const before = settingsOf(root)
    const runId = await apply(zram)
    await run.until('waiting')
    await run.manager.keep(UID, runId)
    full(2_000_000)
    const first = await run.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(first.ok && first.value.state).toBe('undoing')
    expect(first.ok && first.value.undo.map((line) => line.outcome)).toEqual(['restored', 'restored', 'restored', 'waiting-for-memory', 'waiting-for-memory'])
    expect(get('/sys/kernel/mm/ksm/run')).toBe('0')
    expect(get('/proc/swaps')).toContain('zram0')
    expect(run.manager.openRunId()).toBe(runId)
    full(12_000_000)
    await run.until('undone')
    expect(recordOf(runId).undo.map((line) => line.outcome)).toEqual(['restored', 'restored', 'restored', 'restored', 'restored'])
    expect(settingsOf(root)).toEqual(before)
  })

  test('one that never fits ends as partly undone and stays undoable', async () => {
    run = fakeRun(root, { usedKib: 4_000_000 })
    const runId = await apply(zram)
    await run.until('waiting')
    await run.manager.keep(UID, runId)
    full(2_000_000)
    await run.manager.undo(UID, { runId, cause: 'user-undo' })
    await run.until('partly-undone')
    expect(run.manager.openRunId()).toBeNull()
    full(12_000_000)
    const again = await run.manager.undo(UID, { runId: null, cause: 'user-undo' })
    expect(again.ok && again.value.state).toBe('undone')
  })

  test('unmerging that does not fit fails the run before anything is taken apart', async () => {
    put('/sys/kernel/mm/ksm/run', '1')
    put('/sys/kernel/mm/ksm/pages_sharing', '2000000')
    full(1_000_000)
    await apply({ ksm: { mode: 'unmerge' } })
    expect(await run.until('failed')).toMatchObject({ error: { code: 'does-not-fit' } })
    expect(run.writes).toEqual([])
  })
})

test('zswap: each compressor is tried, what the kernel silently refuses is not claimed', async () => {
  const runId = await apply({ compressedSwap: { mode: 'zswap', compressors: ['zstd', 'deflate', 'lzo'], sizePercentOfMemory: 10, shrinker: true } })
  await run.until('waiting')
  expect(run.writes).toEqual([
    '/sys/module/zswap/parameters/enabled <- Y',
    '/sys/module/zswap/parameters/compressor <- zstd',
    '/sys/module/zswap/parameters/compressor <- deflate',
    '/sys/module/zswap/parameters/shrinker_enabled <- Y',
  ])
  const record = recordOf(runId)
  expect(record.steps.find((step) => step.target.endsWith('compressor'))).toMatchObject({ outcome: 'done', readBack: 'deflate' })
  const [file] = readdirSync(join(root, '/var/lib/agentmem/swap'))
  expect(file).toBe('agentmem-1.swap')
  expect(statSync(join(root, '/var/lib/agentmem/swap/agentmem-1.swap')).mode & 0o777).toBe(0o600)
  await run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(readdirSync(join(root, '/var/lib/agentmem/swap'))).toEqual([])
})

test('a compressor the kernel has none of: the old one stays and the run goes on', async () => {
  const runId = await apply({ compressedSwap: { mode: 'zswap', compressors: ['zstd', 'lz4'], sizePercentOfMemory: 10 } })
  await run.until('waiting')
  expect(recordOf(runId).steps.find((step) => step.target.endsWith('compressor'))).toMatchObject({ outcome: 'skipped', readBack: 'lzo', error: { code: 'read-back-differs' } })
})

test('a disk that fills up while the swap file is made: file gone, all taken back', async () => {
  const before = settingsOf(root)
  run = fakeRun(root, { deps: { tools: { ...fakeTools(root), fillFile: async (path) => (writeFileSync(path, 'half'), fail('disk-full', 'There is not enough space on the disk.')) } } })
  await apply({ compressedSwap: { mode: 'zswap', sizePercentOfMemory: 10 } })
  expect(await run.until('failed')).toMatchObject({ error: { code: 'disk-full' } })
  expect(readdirSync(join(root, '/var/lib/agentmem/swap'))).toEqual([])
  expect(settingsOf(root)).toEqual(before)
})

test('no KSM and no swap possible: an empty plan with reasons, and a run that ends by itself', async () => {
  rmSync(join(root, '/sys/kernel/mm/ksm'), { recursive: true })
  rmSync(join(root, '/sys/module/zswap'), { recursive: true })
  rmSync(join(root, '/sys/block/zram0'), { recursive: true })
  const { settings } = presetFile('more-agents')
  const plan = run.manager.plan({ settings, agents: [] })
  expect(plan.steps).toEqual([])
  expect(plan.skipped.map((skip) => [skip.source, skip.kind])).toEqual([
    ['compressed-swap', 'impossible'],
    ['ksm', 'impossible'],
    ['reclaim', 'impossible'],
  ])
  await apply(settings)
  await run.until('kept')
  expect(run.writes).toEqual([])
})

test('looking works where the state folder is gone', async () => {
  rmSync(join(root, '/var/lib/agentmem'), { recursive: true })
  expect(run.manager.runs(UID)).toEqual({ ok: true, value: [] })
  expect(await run.manager.undo(UID, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

test('a journal that cannot be made changes nothing', async () => {
  const blocked = fakeRun(root, { deps: { checkpoint: () => {} } })
  run = blocked
  await apply(zram, {}, blocked)
  rmSync(join(root, '/var/lib/agentmem/journal'), { recursive: true })
  writeFileSync(join(root, '/var/lib/agentmem/journal'), '')
  await expect.poll(() => blocked.manager.openRunId()).toBeNull()
  expect(blocked.writes).toEqual([])
  rmSync(join(root, '/var/lib/agentmem/journal'))
})

test('a snapshot that fails is a bug: nothing was changed, and the run says so', async () => {
  run = fakeRun(root, { deps: { takeSnapshot: async () => Promise.reject(new Error('no snapshot')) } })
  await apply(zram)
  expect(await run.until('failed')).toMatchObject({ error: { code: 'internal' } })
  expect(run.writes).toEqual([])
})

test('a snapshot that fails after the change takes everything back', async () => {
  const before = settingsOf(root)
  let looks = 0
  run = fakeRun(root, { deps: { takeSnapshot: async () => ((looks += 1) > 2 ? Promise.reject(new Error('no snapshot')) : snapshotOf(root)) } })
  await apply(zram)
  expect(await run.until('failed')).toMatchObject({ error: { code: 'internal' } })
  expect(settingsOf(root)).toEqual(before)
})

test('a device that udev looks into for a moment is reset once it is free', async () => {
  const before = settingsOf(root)
  const kernel = fakeKernel(root)
  let busy = 2
  run = fakeRun(root, {
    deps: {
      kernel: {
        ...kernel,
        write: async (path, value) => (path.endsWith('/reset') && (busy -= 1) >= 0 ? fail('write-refused', 'It is in use.', { got: 'EBUSY' }) : kernel.write(path, value)),
      },
    },
  })
  const runId = await apply(zram)
  await run.until('waiting')
  const undone = await run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(settingsOf(root)).toEqual(before)
})

test('a swapon that ends only after we looked is taken back by the next pass', async () => {
  const before = settingsOf(root)
  const kernel = fakeKernel(root)
  const tools = fakeTools(root)
  let late = false
  run = fakeRun(root, {
    deps: {
      tools,
      kernel: {
        ...kernel,
        write: async (path, value) => {
          if (!path.endsWith('/reset') || late) return kernel.write(path, value)
          late = true
          await tools.swapOn(join(root, '/dev/zram0'), 100)
          return fail('write-refused', 'It is in use.', { got: 'EBUSY' })
        },
      },
    },
  })
  const runId = await apply(zram)
  await run.until('waiting')
  await run.manager.undo(UID, { runId, cause: 'user-undo' })
  await run.until('undone')
  expect(recordOf(runId).state).toBe('undone')
  expect(settingsOf(root)).toEqual(before)
})

describe('recovery', () => {
  test('a kept run outlives the helper; after a restart of the machine only the swap file is left to delete', async () => {
    const runId = await apply({ compressedSwap: { mode: 'zswap', sizePercentOfMemory: 10 }, ksm: { mode: 'merge' } })
    await run.until('waiting')
    await run.manager.keep(UID, runId)
    await run.manager.close()

    run = fakeRun(root)
    expect(await run.manager.recover()).toEqual([])
    expect(recordOf(runId).state).toBe('kept')
    expect(get('/sys/kernel/mm/ksm/run')).toBe('1')
    await run.manager.close()

    // The next boot: the kernel's own values, and somebody else has started KSM.
    layOut(root)
    put('/proc/sys/kernel/random/boot_id', '99999999-2222-4333-8444-555555555555')
    put('/sys/kernel/mm/ksm/run', '1')
    run = fakeRun(root)
    const recovered = await run.manager.recover()
    expect(recovered.map((record) => [record.id, record.state, record.undoCause])).toEqual([[runId, 'undone', 'restart']])
    expect(readdirSync(join(root, '/var/lib/agentmem/swap'))).toEqual([])
    expect(run.writes).toEqual([])
    expect(get('/sys/kernel/mm/ksm/run')).toBe('1')
  })

  test('a record that was lost does not keep a journal from being undone', async () => {
    const before = settingsOf(root)
    const runId = await apply(zram)
    await run.until('waiting')
    const { manager } = run
    rmSync(join(root, '/var/lib/agentmem/lock'))
    writeFileSync(join(root, `/var/lib/agentmem/runs/${runId}.json`), '{"half":')
    const next = fakeRun(root)
    const recovered = await next.manager.recover()
    expect(recovered).toMatchObject([{ id: runId, state: 'undone', undoCause: 'startup-recovery' }])
    expect(settingsOf(root)).toEqual(before)
    await next.manager.close()
    await manager.close()
  })

  test('a damaged line is reported and the rest undone', async () => {
    const runId = await apply(zram)
    await run.until('waiting')
    await run.manager.keep(UID, runId)
    const path = join(root, `/var/lib/agentmem/journal/${runId}.kept`)
    writeFileSync(path, readFileSync(path, 'utf8').replace('smart_scan', 'smart_scam'))
    const undone = await run.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(undone.ok && undone.value.state).toBe('partly-undone')
    expect(undone.ok && undone.value.undo.at(-1)).toMatchObject({ outcome: 'failed', target: 'line 4 of the journal' })
    expect(get('/sys/kernel/mm/ksm/run')).toBe('0')
    expect(get('/sys/kernel/mm/ksm/smart_scan')).toBe('1')
  })
})

test('records and folders are for root only', async () => {
  const runId = await apply(zram)
  await run.until('waiting')
  const state = join(root, '/var/lib/agentmem')
  expect(statSync(join(state, 'runs', `${runId}.json`)).mode & 0o777).toBe(0o600)
  for (const folder of ['', 'runs', 'journal']) expect(statSync(join(state, folder)).mode & 0o777).toBe(0o700)
  chmodSync(state, 0o700)
})

test('the scan rate is lowered once the profit is flat, and undo goes back past it', async () => {
  const before = settingsOf(root)
  const runId = await apply({ ksm: { mode: 'merge', pagesToScan: 2000, sleepMs: 10, lowerWhenFlat: true } }, { settleMs: 60_000 })
  await expect.poll(() => get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('100')
  await expect.poll(() => get('/sys/kernel/mm/ksm/sleep_millisecs')).toBe('100')
  await run.manager.cancel(UID, runId)
  expect(settingsOf(root)).toEqual(before)
})

test('the advisor changes pages_to_scan behind our back: the old value comes back all the same', async () => {
  const before = settingsOf(root)
  const there = await apply({ ksm: { mode: 'merge', advisor: 'scan-time' } })
  await run.until('waiting')
  expect(get('/sys/kernel/mm/ksm/pages_to_scan')).toBe('500')
  const undone = await run.manager.undo(UID, { runId: there, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(settingsOf(root)).toEqual(before)
})
