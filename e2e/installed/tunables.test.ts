import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ProcessRef } from '../../helper/contract/agents.ts'
import { planSchema, type Plan } from '../../helper/contract/plan.ts'
import type { PresetSettings } from '../../helper/contract/presets.ts'
import { runRecordSchema, type RunRecord } from '../../helper/contract/runs.ts'
import { traceResultSchema } from '../../helper/contract/trace.ts'
import { processRef } from '../fixtures/fleet/processes.ts'
import { installHelper, type InstalledHelper } from './installed-helper.ts'
import { takeKernelLock } from './kernel-lock.ts'
import { whyNot } from './needs.ts'
import { readSettings } from './settings-files.ts'
import { startCaller, worldProblem, type BusCaller } from './world.ts'

const ALLOWED = 5 // games
const ORDINARY = 1 // daemon
const rules = `
polkit.addRule(function (action, subject) {
  if (action.id.indexOf('org.agentmem.') === 0 && subject.user === 'games') return polkit.Result.YES
  return polkit.Result.NOT_HANDLED
})
`

const value = (path: string): string => {
  const text = readFileSync(path, 'utf8').trim()
  return /\[(?<chosen>[^\]]+)\]/u.exec(text)?.groups?.['chosen'] ?? text
}
const CLUSTER = '/proc/sys/vm/page-cluster'
const BYTES = '/proc/sys/vm/dirty_background_bytes'
const TRACEFS = '/sys/kernel/tracing'
const INSTANCES = `${TRACEFS}/instances`

/** All but what is in swap at this moment. */
const settingsNow = async (): Promise<Record<string, string>> => ({ ...(await readSettings()), '/proc/swaps': '' })

/** Where nobody has mounted it, for as long as these tests run. */
const mounted = process.getuid?.() === 0 && !existsSync(INSTANCES) && spawnSync('mount', ['-t', 'tracefs', 'tracefs', TRACEFS]).status === 0

const reason = whyNot(['flock', 'dbus-daemon', 'dbus-send', 'gcc']) ?? worldProblem()

describe.skipIf(reason !== null)(`tunables and looking deeper, with the installed helper${reason === null ? '' : ` (${reason})`}`, () => {
  let helper: InstalledHelper
  let lock: Awaited<ReturnType<typeof takeKernelLock>>
  let before: Record<string, string>
  let settings: PresetSettings
  const callers: BusCaller[] = []
  const children: ChildProcess[] = []

  const as = async (uid: number): Promise<BusCaller> => {
    const caller = await startCaller(helper.bus, uid)
    callers.push(caller)
    return caller
  }
  /** Endless page faults, as this user. */
  const subject = async (uid: number): Promise<ProcessRef> => {
    const child = spawn('/usr/bin/python3', ['-c', 'import mmap\nprint(1, flush=True)\nwhile True:\n  m = mmap.mmap(-1, 1 << 22)\n  for at in range(0, 1 << 22, 4096): m[at] = 1\n  m.close()'], { uid, gid: uid, cwd: '/', stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(child)
    await once(child.stdout, 'data')
    return processRef(child.pid ?? 0)
  }
  const apply = async (caller: BusCaller, confirmMs: number): Promise<{ runId: string; plan: Plan }> => {
    const shown = await caller.call('Plan', { settings, agents: [] })
    const plan = planSchema.parse(shown.value)
    const answer = await caller.call('Apply', { presetId: 'try-tunables', presetTitle: 'Try', settings, digest: plan.digest, cause: 'user-preset', agents: [], control: [], settleMs: 500, confirmMs })
    expect(answer).toMatchObject({ ok: true })
    const { runId } = answer.value as { runId: string }
    await caller.waitForSignal(({ signal, payload }) => signal === 'Outcome' && (payload as { runId: string; state: string }).runId === runId && (payload as { state: string }).state === 'waiting')
    return { runId, plan }
  }
  const killHelper = async (): Promise<void> => {
    const pid = await helper.pid()
    if (pid === null) throw new Error('expected a helper that runs')
    process.kill(pid, 'SIGKILL')
  }
  const record = async (caller: BusCaller, runId: string): Promise<RunRecord> => runRecordSchema.parse((await caller.call('Run', { runId })).value)

  beforeAll(async () => {
    lock = await takeKernelLock()
    before = await settingsNow()
    helper = await installHelper(rules)
    settings = { tunables: { pageCluster: value(CLUSTER) === '2' ? 3 : 2, dirtyBackgroundBytes: 512 * 1024 ** 2 } }
  })
  afterEach(async () => {
    for (const caller of callers.splice(0)) await caller.stop()
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })
  afterAll(async () => {
    await helper?.stop()
    await lock?.release()
    if (mounted) spawnSync('umount', [TRACEFS])
  })

  test('a tunable is tried, measured before and after, and undone by silence', async () => {
    const caller = await as(ALLOWED)
    const { runId, plan } = await apply(caller, 5_000)
    expect(plan.steps.map(({ target, old }) => [target, old])).toEqual([[CLUSTER, before[CLUSTER]?.trim()], [BYTES, `${before['/proc/sys/vm/dirty_background_ratio']?.trim()} % of memory`]])
    expect([value(CLUSTER), value(BYTES)]).toEqual([String(settings.tunables?.pageCluster), String(512 * 1024 ** 2)])
    await caller.waitForSignal(({ signal, payload }) => signal === 'Outcome' && (payload as { state: string }).state === 'undone')
    const done = await record(caller, runId)
    expect([done.before.length, done.after === null, done.undoCause]).toEqual([2, false, 'confirm-timeout'])
    expect(done.undo.map(({ outcome }) => outcome)).toEqual(['restored', 'restored'])
    expect(await settingsNow()).toEqual(before)
  })

  test('with a helper that is killed, the guard puts everything back at once', async () => {
    const caller = await as(ALLOWED)
    const { runId } = await apply(caller, 600_000)
    expect(value(BYTES)).toBe(String(512 * 1024 ** 2))
    await killHelper()
    await vi.waitFor(async () => expect(await settingsNow()).toEqual(before), { timeout: 30_000, interval: 200 })
    // The next helper closes what the guard has undone.
    await vi.waitFor(async () => expect((await record(caller, runId)).state).toBe('undone'), { timeout: 60_000, interval: 500 })
  })

  test('no more than a password may be had by others, and nothing is written', async () => {
    const caller = await as(ORDINARY)
    const plan = planSchema.parse((await caller.call('Plan', { settings, agents: [] })).value)
    const answer = await caller.call('Apply', { presetId: 'try-tunables', presetTitle: 'Try', settings, digest: plan.digest, cause: 'user-preset', agents: [], control: [], settleMs: 500, confirmMs: 5_000 })
    expect(answer).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(await caller.call('TraceRun', { id: 'perf.page-faults', process: null, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'authorization-obtainable' } })
    expect(await settingsNow()).toEqual(before)
  })

  const perf = existsSync('/usr/bin/perf') ? null : 'needs perf'
  test.skipIf(perf !== null)(`perf counts the faults of the caller's own process, and of no other${perf === null ? '' : ` (${perf})`}`, async () => {
    const caller = await as(ALLOWED)
    const own = await caller.call('TraceRun', { id: 'perf.page-faults', process: await subject(ALLOWED), seconds: 1 })
    expect(own).toMatchObject({ ok: true })
    const { table } = traceResultSchema.parse(own.value)
    expect(Number(table?.rows[0]?.[1])).toBeGreaterThan(100)
    const others = await subject(ORDINARY)
    expect(await caller.call('TraceRun', { id: 'perf.page-faults', process: others, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'not-yours' } })
    expect(await caller.call('TraceRun', { id: 'perf.page-faults', process: { ...others, startTimeTicks: 1 }, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'process-gone' } })
  })

  const tracing = existsSync(INSTANCES) ? null : 'needs tracefs'
  const instances = (): string[] => readdirSync(INSTANCES).filter((name) => name.startsWith('agentmem-'))
  test.skipIf(tracing !== null)(`tracing ends with its caller, and what a killed helper leaves is taken away by the next${tracing === null ? '' : ` (${tracing})`}`, async () => {
    const already = instances()
    const ours = (): string[] => instances().filter((name) => !already.includes(name))
    const long = { id: 'ftrace.compaction', process: null, seconds: 60 }
    const leaves = await as(ALLOWED)
    void leaves.call('TraceRun', long).catch(() => undefined)
    await vi.waitFor(() => expect(ours()).toHaveLength(1), { timeout: 30_000 })
    callers.splice(callers.indexOf(leaves), 1)
    await leaves.stop()
    await vi.waitFor(() => expect(ours()).toEqual([]), { timeout: 30_000 })

    const stays = await as(ALLOWED)
    const dies = stays.call('TraceRun', long).catch(() => undefined)
    await vi.waitFor(() => expect(ours()).toHaveLength(1), { timeout: 30_000 })
    await killHelper()
    await dies
    expect(ours()).toHaveLength(1)
    expect(await stays.call('Status', {})).toMatchObject({ ok: true })
    await vi.waitFor(() => expect(ours()).toEqual([]), { timeout: 30_000 })
  })
})
