import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { planSchema } from '../../helper/contract/plan.ts'
import { systemRequests } from '../../helper/contract/requests.ts'
import { outcomeSchema, progressSchema } from '../../helper/contract/runs.ts'
import { ALLOWED, ORDINARY, applyRequest, problem, title, useBus } from './bus-place.ts'
import { projectDir, type BusCaller } from './world.ts'

describe.skipIf(problem !== null)(title('runs, on a bus with a real polkitd'), () => {
  const { as, bus, start } = useBus()

  const ksmRun = '/sys/kernel/mm/ksm/run'
  /** A captured machine that can be written to. */
  const machine = (): string => {
    const root = join(bus().folder, `machine-${Math.random().toString(36).slice(2)}`)
    cpSync(join(projectDir, 'helper/test/machines/debian-12-linux-6.18-cgroup-v1'), root, { recursive: true })
    return root
  }
  const valueOf = (root: string): string => readFileSync(join(root, ksmRun), 'utf8').trim()

  const settings = { ksm: { mode: 'merge', pagesToScan: 321 } }
  const apply = async (caller: BusCaller): Promise<string> => {
    const planned = await caller.call('Plan', { settings, agents: [] })
    const plan = planSchema.parse(planned.value)
    expect(plan.steps.length).toBeGreaterThan(0)
    const answer = await caller.call('Apply', { ...applyRequest, settings, digest: plan.digest })
    expect(answer).toMatchObject({ ok: true })
    return systemRequests.Apply.response.parse(answer.value).runId
  }
  const stateOf = async (caller: BusCaller, runId: string): Promise<string> => systemRequests.Run.response.parse((await caller.call('Run', { runId })).value).state

  test('signals reach the caller alone; another user neither hears nor sees nor ends the run', async () => {
    const root = machine()
    const before = valueOf(root)
    await start({ root, stateDir: join(bus().folder, 'state-signals') })
    const caller = await as(ALLOWED)
    const sameUser = await as(ALLOWED)
    const other = await as(0)
    const stranger = await as(ORDINARY)
    const runId = await apply(caller)
    await caller.waitForSignal((heard) => heard.signal === 'Outcome')
    const signals = await caller.signals()
    for (const heard of signals) (heard.signal === 'Outcome' ? outcomeSchema : progressSchema).parse(heard.payload)
    expect(signals.at(-1)).toMatchObject({ signal: 'Outcome', payload: { runId, state: 'waiting' } })
    expect(signals.some((heard) => heard.signal === 'Progress')).toBe(true)
    expect(valueOf(root)).toBe('1')
    expect(await sameUser.signals()).toEqual([])
    expect(await other.signals()).toEqual([])
    expect(await stranger.call('Run', { runId })).toMatchObject({ ok: false, error: { code: 'not-yours' } })
    expect(await stranger.call('Runs', {})).toEqual({ ok: true, value: [] })
    expect(await stranger.call('Status', {})).toMatchObject({ ok: true, value: { openRunId: null } })
    expect(await sameUser.call('Status', {})).toMatchObject({ ok: true, value: { openRunId: runId } })
    // Two windows pressing at once: the second is shown the first one's run.
    const second = await sameUser.call('Plan', { settings, agents: [] })
    const digest = planSchema.parse(second.value).digest
    expect(await sameUser.call('Apply', { ...applyRequest, settings, digest })).toMatchObject({ ok: false, error: { code: 'busy', runId } })
    expect(await caller.call('Undo', { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone' } })
    expect(valueOf(root)).toBe(before)
  })

  test('a caller that leaves before it has answered loses its run', async () => {
    const root = machine()
    const before = valueOf(root)
    await start({ root, stateDir: join(bus().folder, 'state-gone') })
    const caller = await as(ALLOWED)
    const watcher = await as(ALLOWED)
    const runId = await apply(caller)
    await caller.waitForSignal((heard) => heard.signal === 'Outcome')
    expect(valueOf(root)).toBe('1')
    await caller.stop()
    await expect.poll(() => stateOf(watcher, runId), { timeout: 30_000 }).toBe('undone')
    expect(valueOf(root)).toBe(before)
    expect(await watcher.call('Run', { runId })).toMatchObject({ ok: true, value: { undoCause: 'caller-gone' } })
  })

  test('a kept run outlives its caller and the helper, and is undone by the next one', async () => {
    const root = machine()
    const before = valueOf(root)
    const stateDir = join(bus().folder, 'state-kept')
    const first = await start({ root, stateDir })
    const caller = await as(ALLOWED)
    const runId = await apply(caller)
    await caller.waitForSignal((heard) => heard.signal === 'Outcome')
    expect(await caller.call('Keep', { runId })).toMatchObject({ ok: true, value: { state: 'kept' } })
    await caller.stop()
    await first.stop()
    expect(valueOf(root)).toBe('1')
    await start({ root, stateDir })
    const later = await as(ALLOWED)
    expect(await later.call('Undo', { runId: null, cause: 'user-undo' })).toMatchObject({ ok: true, value: { id: runId, state: 'undone' } })
    expect(valueOf(root)).toBe(before)
  })

  test('a helper that is killed takes its run back at the next start', async () => {
    const root = machine()
    const before = valueOf(root)
    const stateDir = join(bus().folder, 'state-killed')
    const first = await start({ root, stateDir })
    const caller = await as(ALLOWED)
    const runId = await apply(caller)
    await caller.waitForSignal((heard) => heard.signal === 'Outcome')
    await first.stop('SIGKILL')
    expect(valueOf(root)).toBe('1')
    await start({ root, stateDir })
    await expect.poll(() => stateOf(caller, runId), { timeout: 30_000 }).toBe('undone')
    expect(valueOf(root)).toBe(before)
  })

  test('it stays while a run is open, and ends when nobody needs it', async () => {
    const root = machine()
    const before = valueOf(root)
    // The caller is there first: it takes longer to come than a helper that nobody needs stays.
    const caller = await as(ALLOWED)
    const running = await start({ root, stateDir: join(bus().folder, 'state-idle'), idleExitSeconds: 1 })
    await apply(caller)
    // The caller stays and says nothing: the run waits 5 s, is undone, and only then the helper may go.
    await caller.waitForSignal((heard) => heard.signal === 'Outcome' && (heard.payload as { state: string }).state === 'undone')
    expect(valueOf(root)).toBe(before)
    expect(await running.ended).toBe(0)
    expect(existsSync(join(bus().folder, 'state-idle', 'lock'))).toBe(false)
  })

  test('--rollback-all undoes the kept runs of everybody', async () => {
    const root = machine()
    const before = valueOf(root)
    const stateDir = join(bus().folder, 'state-all')
    const running = await start({ root, stateDir })
    const caller = await as(ALLOWED)
    const runId = await apply(caller)
    await caller.waitForSignal((heard) => heard.signal === 'Outcome')
    await caller.call('Keep', { runId })
    await running.stop()
    const out = spawnSync(process.execPath, [join(projectDir, 'helper/system.ts'), '--rollback-all', '--root', root, '--state-dir', stateDir], { encoding: 'utf8' })
    expect(out.status, out.stderr).toBe(0)
    expect(valueOf(root)).toBe(before)
  })
})
