import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fail } from '../contract/result.ts'
import { snapshotOf } from './testing/fake-run.ts'
import { fakeKernel, settingsOf } from './testing/fake-tree.ts'
import { runPlace, zram } from './testing/run-place.ts'

const place = runPlace()
const { apply, recordOf } = place
beforeEach(place.open)
afterEach(place.close)

test('a step that fails in the middle takes the earlier ones back', async () => {
  const before = settingsOf(place.root)
  const kernel = fakeKernel(place.root)
  place.start({
    deps: {
      kernel: { ...kernel, write: async (path, value) => (path.endsWith('ksm/run') && value === '1' ? fail('write-refused', 'The kernel refused.', { got: 'EBUSY' }) : kernel.write(path, value)) },
    },
  })
  const runId = await apply(zram)
  expect(await place.run.until('failed')).toMatchObject({ cause: 'step-failed', error: { code: 'write-refused' } })
  const record = recordOf(runId)
  expect(record.steps.at(-1)).toMatchObject({ target: '/sys/kernel/mm/ksm/run', outcome: 'failed', error: { code: 'write-refused' } })
  expect(record.undo.map((line) => line.outcome)).toEqual(['already-so', 'restored', 'restored', 'restored', 'restored'])
  expect(settingsOf(place.root)).toEqual(before)
})

test('a kernel that takes a value and keeps another one fails the step', async () => {
  const before = settingsOf(place.root)
  const kernel = fakeKernel(place.root)
  place.start({
    deps: {
      kernel: {
        ...kernel,
        write: async (path, value) => (path.endsWith('pages_to_scan') && value === '1000' ? kernel.write(path, '500') : kernel.write(path, value)),
      },
    },
  })
  const runId = await apply({ ksm: { mode: 'merge', smartScan: true, pagesToScan: 1000 } })
  await place.run.until('partly-undone')
  const record = recordOf(runId)
  expect(record.error).toMatchObject({ code: 'read-back-differs', expected: '1000', got: '500' })
  // What it holds is neither old nor new: reported, never forced.
  expect(record.undo[0]).toMatchObject({ target: '/sys/kernel/mm/ksm/pages_to_scan', outcome: 'left-alone', found: '500' })
  expect({ ...settingsOf(place.root), '/sys/kernel/mm/ksm/pages_to_scan': '250' }).toEqual(before)
})

test('a journal that cannot be made changes nothing', async () => {
  const blocked = place.start({ deps: { checkpoint: () => {} } })
  await apply(zram)
  rmSync(join(place.root, '/var/lib/agentmem/journal'), { recursive: true })
  writeFileSync(join(place.root, '/var/lib/agentmem/journal'), '')
  await expect.poll(() => blocked.manager.openRunId()).toBeNull()
  expect(blocked.writes).toEqual([])
  rmSync(join(place.root, '/var/lib/agentmem/journal'))
})

test('a snapshot that fails is a bug: nothing was changed, and the run says so', async () => {
  place.start({ deps: { takeSnapshot: async () => Promise.reject(new Error('no snapshot')) } })
  await apply(zram)
  expect(await place.run.until('failed')).toMatchObject({ error: { code: 'internal' } })
  expect(place.run.writes).toEqual([])
})

test('a snapshot that fails after the change takes everything back', async () => {
  const before = settingsOf(place.root)
  let looks = 0
  place.start({ deps: { takeSnapshot: async () => ((looks += 1) > 2 ? Promise.reject(new Error('no snapshot')) : snapshotOf(place.root)) } })
  await apply(zram)
  expect(await place.run.until('failed')).toMatchObject({ error: { code: 'internal' } })
  expect(settingsOf(place.root)).toEqual(before)
})
