import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fail, ok } from '../contract/result.ts'
import type { RunGuard } from './open-run.ts'
import { fakeRun, quietGuard, requestFor, type FakeRun } from './testing/fake-run.ts'
import { layOut, settingsOf } from './testing/fake-tree.ts'

const UID = 1000
const settings = { ksm: { mode: 'merge' as const, pagesToScan: 1000 } }

let root = ''
let run: FakeRun | null = null

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-watchdog-'))
  layOut(root)
})
afterEach(async () => {
  await run?.manager.close()
  run = null
  rmSync(root, { recursive: true, force: true })
})

const runWith = (guard: Partial<RunGuard>): FakeRun => (run = fakeRun(root, { deps: { guard: { ...quietGuard, ...guard } } }))
const apply = async (it: FakeRun): Promise<string> => {
  const applied = await it.manager.apply(UID, requestFor(it.manager, settings))
  if (!applied.ok) throw new Error(applied.error.message)
  return applied.value.runId
}

test('without a guard no run is begun', async () => {
  const before = settingsOf(root)
  const it = runWith({ ready: async () => fail('helper-missing', 'The guard could not be started.') })
  expect(await it.manager.apply(UID, requestFor(it.manager, settings))).toMatchObject({ ok: false, error: { code: 'helper-missing' } })
  expect(it.manager.openRunId()).toBeNull()
  expect(it.manager.runs(UID)).toEqual(ok([]))
  expect([it.writes, settingsOf(root)]).toEqual([[], before])
})

test('it is armed before the first write, with every file, and told when the run is decided', async () => {
  const said: string[] = []
  const it = runWith({
    arm: async ({ runId, uid, journalPath, paths }) => {
      said.push(`arm ${uid} ${journalPath === `${root}/var/lib/agentmem/journal/${runId}.open`} ${paths.join()} after ${it.writes.length} writes`)
      return ok(null)
    },
    done: async (runId) => void said.push(`done ${runId}`),
  })
  const runId = await apply(it)
  await it.until('waiting')
  expect(said).toEqual([`arm ${UID} true /sys/kernel/mm/ksm/pages_to_scan,/sys/kernel/mm/ksm/run after 0 writes`])
  await it.manager.keep(UID, runId)
  expect(said.slice(1)).toEqual([`done ${runId}`])
})

test('a guard that cannot be armed fails the run before anything is changed', async () => {
  const before = settingsOf(root)
  const it = runWith({ arm: async () => fail('write-refused', 'The guard refused: full.') })
  const runId = await apply(it)
  await it.until('failed')
  expect(it.manager.run(UID, runId)).toMatchObject({ ok: true, value: { state: 'failed', error: { message: expect.stringContaining('full') } } })
  expect([it.writes, settingsOf(root)]).toEqual([[], before])
})

test('what the guard has undone is closed with its cause', async () => {
  const before = settingsOf(root)
  const it = runWith({})
  const runId = await apply(it)
  await it.until('waiting')
  await it.manager.guardUndid('20260101T000000Z-00000000')
  expect(it.manager.openRunId()).toBe(runId)
  await it.manager.guardUndid(runId)
  expect(it.manager.run(UID, runId)).toMatchObject({ ok: true, value: { state: 'undone', undoCause: 'watchdog' } })
  expect(settingsOf(root)).toEqual(before)
})

test('at the next start too', async () => {
  const it = runWith({})
  const runId = await apply(it)
  await it.until('waiting')
  // As if the helper had been killed: its lock is not held by anybody alive.
  const lock = join(root, 'var/lib/agentmem/lock')
  rmSync(lock, { force: true })
  const next = fakeRun(root, { deps: { guard: { ...quietGuard, undid: (id) => id === runId } } })
  expect(await next.manager.recover()).toMatchObject([{ id: runId, state: 'undone', undoCause: 'watchdog' }])
  await next.manager.close()
})
