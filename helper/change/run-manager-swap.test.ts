import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fail } from '../contract/result.ts'
import { presetFile } from './testing/fake-run.ts'
import { fakeKernel, fakeTools, settingsOf } from './testing/fake-tree.ts'
import { UID, runPlace, zram } from './testing/run-place.ts'

const place = runPlace()
const { apply, get, put, recordOf } = place
beforeEach(place.open)
afterEach(place.close)

test('everything off removes our swap, and undo makes it again', async () => {
  const first = await apply(zram)
  await place.run.until('waiting')
  await place.run.manager.keep(UID, first)
  const withSwap = settingsOf(place.root)
  const off = await apply(presetFile('everything-off').settings)
  await expect.poll(() => place.run.progress.at(-1)?.state).toBe('waiting')
  expect(get('/proc/swaps')).not.toContain('zram0')
  expect(get('/sys/block/zram0/disksize')).toBe('0')
  const undone = await place.run.manager.undo(UID, { runId: off, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(settingsOf(place.root)).toEqual(withSwap)
})

describe('memory that does not fit', () => {
  const full = (availableKib: number) => {
    put('/proc/meminfo', readFileSync(join(place.root, '/proc/meminfo'), 'utf8').replace(/MemAvailable:\s+\d+ kB/u, `MemAvailable: ${availableKib} kB`).trim())
  }

  test('undo waits for memory, undoes the rest at once, and ends when it fits', async () => {
    place.start({ usedKib: 4_000_000, deps: { pace: { noiseGapMs: 1, retryMs: 5, giveUpMs: 60_000 } } })
    const before = settingsOf(place.root)
    const runId = await apply(zram)
    await place.run.until('waiting')
    await place.run.manager.keep(UID, runId)
    full(2_000_000)
    const first = await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(first.ok && first.value.state).toBe('undoing')
    expect(first.ok && first.value.undo.map((line) => line.outcome)).toEqual(['restored', 'restored', 'restored', 'waiting-for-memory', 'waiting-for-memory'])
    expect(get('/sys/kernel/mm/ksm/run')).toBe('0')
    expect(get('/proc/swaps')).toContain('zram0')
    expect(place.run.manager.openRunId()).toBe(runId)
    full(12_000_000)
    await place.run.until('undone')
    expect(recordOf(runId).undo.map((line) => line.outcome)).toEqual(['restored', 'restored', 'restored', 'restored', 'restored'])
    expect(settingsOf(place.root)).toEqual(before)
  })

  test('one that never fits ends as partly undone and stays undoable', async () => {
    place.start({ usedKib: 4_000_000 })
    const runId = await apply(zram)
    await place.run.until('waiting')
    await place.run.manager.keep(UID, runId)
    full(2_000_000)
    await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
    await place.run.until('partly-undone')
    expect(place.run.manager.openRunId()).toBeNull()
    full(12_000_000)
    const again = await place.run.manager.undo(UID, { runId: null, cause: 'user-undo' })
    expect(again.ok && again.value.state).toBe('undone')
  })

  test('unmerging that does not fit fails the run before anything is taken apart', async () => {
    put('/sys/kernel/mm/ksm/run', '1')
    put('/sys/kernel/mm/ksm/pages_sharing', '2000000')
    full(1_000_000)
    await apply({ ksm: { mode: 'unmerge' } })
    expect(await place.run.until('failed')).toMatchObject({ error: { code: 'does-not-fit' } })
    expect(place.run.writes).toEqual([])
  })
})

test('zswap: each compressor is tried, what the kernel silently refuses is not claimed', async () => {
  const runId = await apply({ compressedSwap: { mode: 'zswap', compressors: ['zstd', 'deflate', 'lzo'], sizePercentOfMemory: 10, shrinker: true } })
  await place.run.until('waiting')
  expect(place.run.writes).toEqual([
    '/sys/module/zswap/parameters/enabled <- Y',
    '/sys/module/zswap/parameters/compressor <- zstd',
    '/sys/module/zswap/parameters/compressor <- deflate',
    '/sys/module/zswap/parameters/shrinker_enabled <- Y',
  ])
  const record = recordOf(runId)
  expect(record.steps.find((step) => step.target.endsWith('compressor'))).toMatchObject({ outcome: 'done', readBack: 'deflate' })
  const [file] = readdirSync(join(place.root, '/var/lib/agentmem/swap'))
  expect(file).toBe('agentmem-1.swap')
  expect(statSync(join(place.root, '/var/lib/agentmem/swap/agentmem-1.swap')).mode & 0o777).toBe(0o600)
  await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(readdirSync(join(place.root, '/var/lib/agentmem/swap'))).toEqual([])
})

test('a compressor the kernel has none of: the old one stays and the run goes on', async () => {
  const runId = await apply({ compressedSwap: { mode: 'zswap', compressors: ['zstd', 'lz4'], sizePercentOfMemory: 10 } })
  await place.run.until('waiting')
  expect(recordOf(runId).steps.find((step) => step.target.endsWith('compressor'))).toMatchObject({ outcome: 'skipped', readBack: 'lzo', error: { code: 'read-back-differs' } })
})

test('a disk that fills up while the swap file is made: file gone, all taken back', async () => {
  const before = settingsOf(place.root)
  place.start({ deps: { tools: { ...fakeTools(place.root), fillFile: async (path) => (writeFileSync(path, 'half'), fail('disk-full', 'There is not enough space on the disk.')) } } })
  await apply({ compressedSwap: { mode: 'zswap', sizePercentOfMemory: 10 } })
  expect(await place.run.until('failed')).toMatchObject({ error: { code: 'disk-full' } })
  expect(readdirSync(join(place.root, '/var/lib/agentmem/swap'))).toEqual([])
  expect(settingsOf(place.root)).toEqual(before)
})

test('no KSM and no swap possible: an empty plan with reasons, and a run that ends by itself', async () => {
  rmSync(join(place.root, '/sys/kernel/mm/ksm'), { recursive: true })
  rmSync(join(place.root, '/sys/module/zswap'), { recursive: true })
  rmSync(join(place.root, '/sys/block/zram0'), { recursive: true })
  const { settings } = presetFile('more-agents')
  const plan = place.run.manager.plan({ settings, agents: [] })
  expect(plan.steps).toEqual([])
  expect(plan.skipped.map((skip) => [skip.source, skip.kind])).toEqual([
    ['compressed-swap', 'impossible'],
    ['ksm', 'impossible'],
    ['reclaim', 'impossible'],
  ])
  await apply(settings)
  await place.run.until('kept')
  expect(place.run.writes).toEqual([])
})

test('a device that udev looks into for a moment is reset once it is free', async () => {
  const before = settingsOf(place.root)
  const kernel = fakeKernel(place.root)
  let busy = 2
  place.start({
    deps: {
      kernel: {
        ...kernel,
        write: async (path, value) => (path.endsWith('/reset') && (busy -= 1) >= 0 ? fail('write-refused', 'It is in use.', { got: 'EBUSY' }) : kernel.write(path, value)),
      },
    },
  })
  const runId = await apply(zram)
  await place.run.until('waiting')
  const undone = await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
  expect(undone.ok && undone.value.state).toBe('undone')
  expect(settingsOf(place.root)).toEqual(before)
})

test('a swapon that ends only after we looked is taken back by the next pass', async () => {
  const before = settingsOf(place.root)
  const kernel = fakeKernel(place.root)
  const tools = fakeTools(place.root)
  let late = false
  place.start({
    deps: {
      tools,
      kernel: {
        ...kernel,
        write: async (path, value) => {
          if (!path.endsWith('/reset') || late) return kernel.write(path, value)
          late = true
          await tools.swapOn(join(place.root, '/dev/zram0'), 100)
          return fail('write-refused', 'It is in use.', { got: 'EBUSY' })
        },
      },
    },
  })
  const runId = await apply(zram)
  await place.run.until('waiting')
  await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
  await place.run.until('undone')
  expect(recordOf(runId).state).toBe('undone')
  expect(settingsOf(place.root)).toEqual(before)
})
