import { chmodSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeRun } from './testing/fake-run.ts'
import { layOut, settingsOf } from './testing/fake-tree.ts'
import { UID, runPlace, zram } from './testing/run-place.ts'

const place = runPlace()
const { apply, get, put, recordOf } = place
beforeEach(place.open)
afterEach(place.close)

test('looking works where the state folder is gone', async () => {
  rmSync(join(place.root, '/var/lib/agentmem'), { recursive: true })
  expect(place.run.manager.runs(UID)).toEqual({ ok: true, value: [] })
  expect(await place.run.manager.undo(UID, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
})

describe('recovery', () => {
  test('a kept run outlives the helper; after a restart of the machine only the swap file is left to delete', async () => {
    const runId = await apply({ compressedSwap: { mode: 'zswap', sizePercentOfMemory: 10 }, ksm: { mode: 'merge' } })
    await place.run.until('waiting')
    await place.run.manager.keep(UID, runId)
    await place.run.manager.close()

    place.start()
    expect(await place.run.manager.recover()).toEqual([])
    expect(recordOf(runId).state).toBe('kept')
    expect(get('/sys/kernel/mm/ksm/run')).toBe('1')
    await place.run.manager.close()

    // The next boot: the kernel's own values, and somebody else has started KSM.
    layOut(place.root)
    put('/proc/sys/kernel/random/boot_id', '99999999-2222-4333-8444-555555555555')
    put('/sys/kernel/mm/ksm/run', '1')
    place.start()
    const recovered = await place.run.manager.recover()
    expect(recovered.map((record) => [record.id, record.state, record.undoCause])).toEqual([[runId, 'undone', 'restart']])
    expect(readdirSync(join(place.root, '/var/lib/agentmem/swap'))).toEqual([])
    expect(place.run.writes).toEqual([])
    expect(get('/sys/kernel/mm/ksm/run')).toBe('1')
  })

  test('a record that was lost does not keep a journal from being undone', async () => {
    const before = settingsOf(place.root)
    const runId = await apply(zram)
    await place.run.until('waiting')
    const { manager } = place.run
    rmSync(join(place.root, '/var/lib/agentmem/lock'))
    writeFileSync(join(place.root, `/var/lib/agentmem/runs/${runId}.json`), '{"half":')
    const next = fakeRun(place.root)
    const recovered = await next.manager.recover()
    expect(recovered).toMatchObject([{ id: runId, state: 'undone', undoCause: 'startup-recovery' }])
    expect(settingsOf(place.root)).toEqual(before)
    await next.manager.close()
    await manager.close()
  })

  test('a damaged line is reported and the rest undone', async () => {
    const runId = await apply(zram)
    await place.run.until('waiting')
    await place.run.manager.keep(UID, runId)
    const path = join(place.root, `/var/lib/agentmem/journal/${runId}.kept`)
    writeFileSync(path, readFileSync(path, 'utf8').replace('smart_scan', 'smart_scam'))
    const undone = await place.run.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(undone.ok && undone.value.state).toBe('partly-undone')
    expect(undone.ok && undone.value.undo.at(-1)).toMatchObject({ outcome: 'failed', target: 'line 4 of the journal' })
    expect(get('/sys/kernel/mm/ksm/run')).toBe('0')
    expect(get('/sys/kernel/mm/ksm/smart_scan')).toBe('1')
  })
})

test('records and folders are for root only', async () => {
  const runId = await apply(zram)
  await place.run.until('waiting')
  const state = join(place.root, '/var/lib/agentmem')
  expect(statSync(join(state, 'runs', `${runId}.json`)).mode & 0o777).toBe(0o600)
  for (const folder of ['', 'runs', 'journal']) expect(statSync(join(state, folder)).mode & 0o777).toBe(0o700)
  chmodSync(state, 0o700)
})
