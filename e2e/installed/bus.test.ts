import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { planSchema } from '../../helper/contract/plan.ts'
import { systemRequests } from '../../helper/contract/requests.ts'
import { outcomeSchema, progressSchema } from '../../helper/contract/runs.ts'
import { projectDir, startCaller, startPolkitd, startPrivateSystemBus, startProgram, startSystemHelper, worldProblem } from './world.ts'
import type { BusCaller, HelperOptions, PrivateBus, Running } from './world.ts'

// Users every Debian has: one whom the rules allow everything, one whom they deny everything, two left to the shipped policy.
const ALLOWED = 5 // games
const DENIED = 65_534 // nobody
const ORDINARY = 1 // daemon
const OTHER = 9 // news

const rules = `
polkit.addRule(function (action, subject) {
  if (action.id.indexOf('org.agentmem.') !== 0) return polkit.Result.NOT_HANDLED
  if (subject.user === 'games') return polkit.Result.YES
  if (subject.user === 'nobody') return polkit.Result.NO
  return polkit.Result.NOT_HANDLED
})
`

const problem = worldProblem()
const title = (text: string): string => (problem === null ? text : `${text} (${problem})`)

describe.skipIf(problem !== null)(title('helper on a bus with a real polkitd'), () => {
  let bus: PrivateBus
  let polkitd: Running
  let helper: Running | null = null
  const callers: BusCaller[] = []

  const as = async (uid: number): Promise<BusCaller> => {
    const caller = await startCaller(bus, uid)
    callers.push(caller)
    return caller
  }
  const start = async (options: Partial<HelperOptions> = {}): Promise<Running> => {
    helper = await startSystemHelper({ bus, ...options })
    return helper
  }

  beforeAll(async () => {
    bus = await startPrivateSystemBus()
    polkitd = await startPolkitd(bus, rules)
  })
  afterEach(async () => {
    for (const caller of callers.splice(0)) await caller.stop()
    await helper?.stop()
    helper = null
  })
  afterAll(async () => {
    await polkitd?.stop()
    await bus?.stop()
  })

  test('answers with what the contract promises', async () => {
    await start()
    const caller = await as(ORDINARY)
    for (const [method, request] of [['Status', {}], ['Probe', {}], ['Snapshot', { commandLines: false }], ['EvidenceLook', {}], ['Plan', { settings: { ksm: { mode: 'merge' } }, agents: [] }], ['Runs', {}]] as const) {
      const answer = await caller.call(method, request)
      expect(answer, method).toMatchObject({ ok: true })
      expect(systemRequests[method].response.safeParse(answer.value).error, method).toBeUndefined()
    }
  })

  describe('authorisation', () => {
    test('an allowed user is not asked', async () => {
      await start()
      const caller = await as(ALLOWED)
      await caller.answerDialogs('cancel')
      expect(await caller.call('Rollback', {}, { mayAsk: true })).toEqual({ ok: true, value: [] })
      expect(await caller.dialogs()).toEqual([])
    })

    test('a denied user is refused by every request, with the action named', async () => {
      await start()
      const caller = await as(DENIED)
      for (const [method, request, action] of [['Status', {}, 'look'], ['Rollback', {}, 'change-layers'], ['Reclaim', { processes: [{ pid: 1, startTimeTicks: 1 }], advice: 'cold' }, 'reclaim'], ['DropCaches', { level: 1 }, 'drop-caches']] as const) {
        expect(await caller.call(method, request, { mayAsk: true })).toMatchObject({ ok: false, error: { code: 'authorization-denied', about: `org.agentmem.${action}` } })
      }
    })

    test('without leave to ask, a password is obtainable', async () => {
      await start()
      const caller = await as(ORDINARY)
      await caller.answerDialogs('cancel')
      expect(await caller.call('Rollback', {})).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
      expect(await caller.dialogs()).toEqual([])
    })

    test('where no dialog can be shown, a password stays obtainable and the advice says how', async () => {
      await start()
      const caller = await as(ORDINARY)
      const answer = await caller.call('Rollback', {}, { mayAsk: true })
      expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
      expect(answer.error?.advice).toContain('pkttyagent')
    })

    test('a closed dialog is dismissed, a wrong password denied', async () => {
      await start()
      const closing = await as(ORDINARY)
      await closing.answerDialogs('cancel')
      expect(await closing.call('Rollback', {}, { mayAsk: true })).toMatchObject({ ok: false, error: { code: 'authorization-dismissed' } })
      expect(await closing.dialogs()).toEqual(['org.agentmem.change-layers'])
      const mistyping = await as(ORDINARY)
      await mistyping.answerDialogs('wrong-password')
      const answer = await mistyping.call('Rollback', {}, { mayAsk: true })
      expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
      expect(answer.error?.message).toContain('password')
    })

    test('the right password is asked for once, and covers reclaim but not dropping caches', async () => {
      await start()
      const root = await as(0)
      const caller = await as(ORDINARY)
      await caller.answerDialogs('right-password')
      const answer = caller.call('Rollback', {}, { mayAsk: true })
      const dialog = await caller.waitForSignal((heard) => heard.signal === 'dialog')
      const { cookie } = dialog.payload as { cookie: string }
      await root.vouch(ORDINARY, cookie)
      await caller.finishDialog()
      expect(await answer).toEqual({ ok: true, value: [] })

      expect(await caller.call('Rollback', {})).toMatchObject({ ok: true })
      const own = { pid: caller.pid, startTimeTicks: startTicks(caller.pid) }
      expect(await caller.call('Reclaim', { processes: [own], advice: 'cold' })).toMatchObject({ ok: true })
      expect(await caller.call('DropCaches', { level: 1 })).toMatchObject({ ok: false, error: { code: 'authorization-obtainable', about: 'org.agentmem.drop-caches' } })
      expect(await caller.dialogs()).toEqual(['org.agentmem.change-layers'])
    })

    test('Apply asks for the actions of what it contains', async () => {
      await start()
      const caller = await as(ORDINARY)
      const apply = { presetId: 'x', presetTitle: 'X', settings: { pruneCache: { level: 1 } }, digest: '0'.repeat(64), cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 5000 }
      await caller.answerDialogs('cancel')
      await caller.call('Apply', apply, { mayAsk: true })
      expect(await caller.dialogs()).toEqual(['org.agentmem.change-layers'])
      const root = await as(0)
      const second = await as(ORDINARY)
      await second.answerDialogs('right-password')
      const answer = second.call('Apply', apply, { mayAsk: true })
      const layers = await second.waitForSignal((heard) => heard.signal === 'dialog')
      await root.vouch(ORDINARY, (layers.payload as { cookie: string }).cookie)
      await second.finishDialog()
      const caches = await second.waitForSignal((heard) => heard.signal === 'dialog' && (heard.payload as { action: string }).action === 'org.agentmem.drop-caches')
      await root.vouch(ORDINARY, (caches.payload as { cookie: string }).cookie)
      await second.finishDialog()
      // Both passwords given: what remains is that no such plan was shown.
      expect(await answer).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
    })
  })

  describe('requests', () => {
    test('wrong JSON, wrong fields and unknown fields are bad requests that say where', async () => {
      await start()
      const caller = await as(ALLOWED)
      const wrong: [string, string, RegExp][] = [
        ['Status', '', /not JSON/u],
        ['Status', '{', /not JSON/u],
        ['Status', 'null', /Status/u],
        ['Status', '{"more":1}', /more/u],
        ['Snapshot', '{}', /commandLines/u],
        ['Snapshot', '{"commandLines":"yes"}', /commandLines/u],
        ['Reclaim', '{"processes":[],"advice":"cold"}', /processes/u],
        ['Reclaim', '{"processes":[{"pid":0,"startTimeTicks":1}],"advice":"cold"}', /processes\.0\.pid/u],
        ['Reclaim', '{"processes":[{"pid":1,"startTimeTicks":1,"uid":0}],"advice":"cold"}', /uid/u],
        ['DropCaches', '{"level":4}', /level/u],
        ['Undo', '{"runId":"../../etc/passwd","cause":"user-undo"}', /runId/u],
        ['Plan', '{"settings":{"ksm":{"mode":"merge","path":"/etc/passwd"}},"agents":[]}', /path/u],
      ]
      for (const [method, text, message] of wrong) {
        const answer = await caller.call(method, null, { text })
        expect(answer, text).toMatchObject({ ok: false, error: { code: 'bad-request' } })
        expect(answer.error?.message, text).toMatch(message)
      }
      expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    })

    test('a request beyond the size limit is refused, and the helper goes on', async () => {
      await start()
      const caller = await as(ALLOWED)
      const answer = await caller.call('Status', null, { text: `{"x":"${'a'.repeat(4 * 1024 * 1024)}"}` })
      expect(answer).toMatchObject({ ok: false, error: { code: 'bad-request' } })
      expect(answer.error?.message).toContain('too long')
      expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    })

    test('a message of another form than one string is a bad request', async () => {
      await start()
      const caller = await as(ALLOWED)
      for (const [signature, body] of [['', []], ['u', [7]], ['ss', ['{}', '{}']], ['as', [['{}']]]] as const) {
        expect(await caller.call('Status', null, { signature, body: [...body] }), signature).toMatchObject({ ok: false, error: { code: 'bad-request', expected: 's' } })
      }
      expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    })

    test('one caller cannot fill the helper with open requests', async () => {
      await start()
      const caller = await as(ORDINARY)
      await caller.answerDialogs('never')
      // Each waits for a password that never comes.
      for (let open = 0; open < 32; open += 1) void caller.call('Rollback', {}, { mayAsk: true }).catch(() => undefined)
      await caller.waitForSignal((heard) => heard.signal === 'dialog')
      await expect.poll(() => caller.call('Status', {}), { timeout: 30_000 }).toMatchObject({ ok: false, error: { code: 'busy' } })
      const other = await as(ORDINARY)
      expect(await other.call('Status', {})).toMatchObject({ ok: true })
    })

    test('a method that is no request does not exist', async () => {
      await start()
      const caller = await as(ALLOWED)
      expect(await caller.call('toString', {})).toMatchObject({ ok: false, error: { code: 'bus:org.freedesktop.DBus.Error.UnknownMethod' } })
    })

    test('processes of others are refused in every request that names some', async () => {
      await start()
      const caller = await as(ALLOWED)
      const other = await as(OTHER)
      const foreign = { pid: other.pid, startTimeTicks: startTicks(other.pid) }
      const own = { pid: caller.pid, startTimeTicks: startTicks(caller.pid) }
      const agent = { id: `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${own.pid}:${own.startTimeTicks}`, title: 'X', idleMs: null, processes: [own, foreign] }
      const apply = { presetId: 'x', presetTitle: 'X', settings: {}, digest: '0'.repeat(64), cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 5000 }
      const requests: [string, object][] = [
        ['Reclaim', { processes: [own, foreign], advice: 'pageout' }],
        ['Plan', { settings: { reclaim: { minIdleMs: 0 } }, agents: [agent] }],
        ['Apply', { ...apply, agents: [agent] }],
        ['Apply', { ...apply, control: [agent] }],
      ]
      for (const [method, request] of requests) {
        expect(await caller.call(method, request), method).toMatchObject({ ok: false, error: { code: 'not-yours', about: String(other.pid) } })
      }
      // With another start time it is nobody's: reported as gone, nothing is touched.
      const gone = await caller.call('Reclaim', { processes: [{ ...foreign, startTimeTicks: foreign.startTimeTicks + 1 }], advice: 'cold' })
      expect(gone).toMatchObject({ ok: true, value: { processes: [{ pid: other.pid, error: 'process-gone', advisedBytes: 0 }] } })
    })

    test("the caller's own processes are advised, and what was won is told", async () => {
      await start()
      const caller = await as(ALLOWED)
      const answer = await caller.call('Reclaim', { processes: [{ pid: caller.pid, startTimeTicks: startTicks(caller.pid) }], advice: 'cold' })
      expect(systemRequests.Reclaim.response.parse(answer.value).processes).toMatchObject([{ pid: caller.pid, error: null, rssBeforeBytes: { value: expect.any(Number) } }])
    })
  })

  describe('runs', () => {
    const ksmRun = '/sys/kernel/mm/ksm/run'
    /** A captured machine that can be written to. */
    const machine = (): string => {
      const root = join(bus.folder, `machine-${Math.random().toString(36).slice(2)}`)
      cpSync(join(projectDir, 'helper/test/machines/debian-12-linux-6.18-cgroup-v1'), root, { recursive: true })
      return root
    }
    const valueOf = (root: string): string => readFileSync(join(root, ksmRun), 'utf8').trim()

    const apply = async (caller: BusCaller): Promise<string> => {
      const settings = { ksm: { mode: 'merge', pagesToScan: 321 } }
      const planned = await caller.call('Plan', { settings, agents: [] })
      const plan = planSchema.parse(planned.value)
      expect(plan.steps.length).toBeGreaterThan(0)
      const answer = await caller.call('Apply', { presetId: 'test', presetTitle: 'Test', settings, digest: plan.digest, cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 5000 })
      expect(answer).toMatchObject({ ok: true })
      return systemRequests.Apply.response.parse(answer.value).runId
    }
    const stateOf = async (caller: BusCaller, runId: string): Promise<string> => systemRequests.Run.response.parse((await caller.call('Run', { runId })).value).state

    test('signals reach the caller alone; another user neither hears nor sees nor ends the run', async () => {
      const root = machine()
      const before = valueOf(root)
      await start({ root, stateDir: join(bus.folder, 'state-signals') })
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
      const second = await sameUser.call('Plan', { settings: { ksm: { mode: 'merge', pagesToScan: 321 } }, agents: [] })
      const digest = planSchema.parse(second.value).digest
      expect(await sameUser.call('Apply', { presetId: 'test', presetTitle: 'Test', settings: { ksm: { mode: 'merge', pagesToScan: 321 } }, digest, cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 5000 })).toMatchObject({ ok: false, error: { code: 'busy', runId } })
      expect(await caller.call('Undo', { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone' } })
      expect(valueOf(root)).toBe(before)
    })

    test('a caller that leaves before it has answered loses its run', async () => {
      const root = machine()
      const before = valueOf(root)
      await start({ root, stateDir: join(bus.folder, 'state-gone') })
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
      const stateDir = join(bus.folder, 'state-kept')
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
      const stateDir = join(bus.folder, 'state-killed')
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
      const running = await start({ root, stateDir: join(bus.folder, 'state-idle'), idleExitSeconds: 1 })
      const caller = await as(ALLOWED)
      await apply(caller)
      // The caller stays and says nothing: the run waits 5 s, is undone, and only then the helper may go.
      await caller.waitForSignal((heard) => heard.signal === 'Outcome' && (heard.payload as { state: string }).state === 'undone')
      expect(running.child.exitCode).toBeNull()
      expect(valueOf(root)).toBe(before)
      expect(await running.ended).toBe(0)
      expect(existsSync(join(bus.folder, 'state-idle', 'lock'))).toBe(false)
    })

    test('--rollback-all undoes the kept runs of everybody', async () => {
      const root = machine()
      const before = valueOf(root)
      const stateDir = join(bus.folder, 'state-all')
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

  test('it ends when the bus does', async () => {
    const own = await startPrivateSystemBus()
    const running = await startSystemHelper({ bus: own })
    await own.stop()
    expect(await running.ended).toBe(1)
  })

  test('nobody but root may take its name', async () => {
    // A copy of the bundle: this user may not be able to look into the checkout.
    if (!existsSync(join(projectDir, 'build/helper/MANIFEST'))) expect(spawnSync(process.execPath, [join(projectDir, 'tools/helper-bundle.mjs')]).status).toBe(0)
    const place = join(bus.folder, 'nobody')
    cpSync(join(projectDir, 'build/helper'), place, { recursive: true })
    spawnSync('chmod', ['-R', 'a+rX', place])
    const out = await startProgram(join(place, 'node'), [join(place, 'system.js'), '--bus', bus.address, '--state-dir', join(bus.folder, 'state-nobody')], { uid: DENIED })
    expect(await out.ended).toBe(1)
    expect(out.log()).toContain('org.agentmem.Helper1')
  })

  test('without polkit only looking at oneself fails with what to install', async () => {
    const own = await startPrivateSystemBus()
    const running = await startSystemHelper({ bus: own })
    const caller = await startCaller(own, ORDINARY)
    const root = await startCaller(own, 0)
    try {
      const answer = await caller.call('Status', {})
      expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
      expect(answer.error?.advice).toContain('polkitd')
      expect(await root.call('Status', {})).toMatchObject({ ok: true })
    } finally {
      await caller.stop()
      await root.stop()
      await running.stop()
      await own.stop()
    }
  })
})

/** Field 22 of stat, read after the last ")". */
const startTicks = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}
