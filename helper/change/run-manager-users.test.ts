import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeRun, requestFor } from './testing/fake-run.ts'
import { settingsOf } from './testing/fake-tree.ts'
import { UID, runPlace, zram } from './testing/run-place.ts'

const place = runPlace()
const { apply, recordOf } = place
beforeEach(place.open)
afterEach(place.close)

describe('one open run over all users', () => {
  test('the same user is told which, another user is not', async () => {
    const request = requestFor(place.run.manager, zram)
    const [first, second] = await Promise.all([place.run.manager.apply(UID, request), place.run.manager.apply(UID, request)])
    expect(first.ok).toBe(true)
    expect(second).toMatchObject({ ok: false, error: { code: 'busy', runId: first.ok ? first.value.runId : '' } })
    const other = await place.run.manager.apply(2000, request)
    expect(other).toMatchObject({ ok: false, error: { code: 'busy' } })
    expect(JSON.stringify(other)).not.toContain(first.ok ? first.value.runId : '')
  })

  test('runs of others are not to be seen, kept, cancelled or undone', async () => {
    const runId = await apply(zram)
    await place.run.until('waiting')
    const notYours = { ok: false, error: { code: 'not-yours' } }
    expect(place.run.manager.run(2000, runId)).toMatchObject(notYours)
    expect(place.run.manager.runs(2000)).toEqual({ ok: true, value: [] })
    expect(await place.run.manager.keep(2000, runId)).toMatchObject(notYours)
    expect(await place.run.manager.cancel(2000, runId)).toMatchObject(notYours)
    expect(await place.run.manager.undo(2000, { runId, cause: 'user-undo' })).toMatchObject(notYours)
    expect(await place.run.manager.undo(2000, { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
    expect(await place.run.manager.rollback(2000)).toEqual({ ok: true, value: [] })
    expect(recordOf(runId).state).toBe('waiting')
  })

  test('one that nobody answers does not hold up other users', async () => {
    await place.run.manager.close()
    place.start({ deps: { pace: { noiseGapMs: 1, othersWaitMs: 30 } } })
    const before = settingsOf(place.root)
    const request = requestFor(place.run.manager, zram, { confirmMs: 3_600_000 })
    const applied = await place.run.manager.apply(1000, request)
    const runId = applied.ok ? applied.value.runId : ''
    await place.run.until('waiting')
    const longMs = recordOf(runId).confirmUntilMs ?? 0
    expect(await place.run.manager.apply(2000, request)).toMatchObject({ ok: false, error: { code: 'busy' } })
    expect(longMs - (recordOf(runId).confirmUntilMs ?? 0)).toBeGreaterThan(3_000_000)
    expect(place.run.progress.at(-1)).toMatchObject({ state: 'waiting', text: expect.stringContaining('Another user'), canCancel: true })
    expect(await place.run.until('undone')).toMatchObject({ runId, cause: 'confirm-timeout' })
    expect(settingsOf(place.root)).toEqual(before)
  })

  test('the user who has it open does not shorten it by asking again', async () => {
    const runId = await apply(zram)
    await place.run.until('waiting')
    const untilMs = recordOf(runId).confirmUntilMs
    expect(await place.run.manager.apply(UID, requestFor(place.run.manager, zram))).toMatchObject({ ok: false, error: { code: 'busy', runId } })
    expect(recordOf(runId).confirmUntilMs).toBe(untilMs)
  })

  test('two helpers: the second changes nothing', async () => {
    await apply(zram)
    const text = readFileSync(join(place.root, '/var/lib/agentmem/lock'), 'utf8')
    // Process 1 is alive: its start time stands in for that of another helper.
    const start = readFileSync('/proc/1/stat', 'utf8').split(') ')[1]?.split(' ')[19]
    writeFileSync(join(place.root, '/var/lib/agentmem/lock'), `1 ${start} ${text.trim().split(' ')[2]}\n`)
    const second = fakeRun(place.root)
    expect(await second.manager.apply(UID, requestFor(second.manager, zram))).toMatchObject({ ok: false, error: { code: 'busy' } })
    expect(second.writes).toEqual([])
  })

  test('recovery waits for a killed helper that still holds the lock', async () => {
    const before = settingsOf(place.root)
    const runId = await apply(zram)
    await place.run.until('waiting')
    const lockPath = join(place.root, '/var/lib/agentmem/lock')
    const bootId = readFileSync(lockPath, 'utf8').trim().split(' ')[2] ?? ''
    // Another process stands in for the dying one.
    const dying = spawn('sleep', ['1000'])
    const stat = readFileSync(`/proc/${dying.pid}/stat`, 'utf8')
    writeFileSync(lockPath, `${dying.pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]} ${bootId}\n`)
    const second = fakeRun(place.root)
    let done = false
    const recovered = second.manager.recover().finally(() => { done = true })
    await new Promise((resolve) => { setTimeout(resolve, 0) })
    expect(done).toBe(false)
    expect(second.writes).toEqual([])
    dying.kill('SIGKILL')
    expect((await recovered).map(({ id, state }) => [id, state])).toEqual([[runId, 'undone']])
    expect(settingsOf(place.root)).toEqual(before)
    await second.manager.close()
  })
})
