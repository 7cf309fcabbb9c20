import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { PlanView, RunDetail } from '../../electron/contract/views.ts'
import { snapshotSchema } from '../../helper/contract/snapshot.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { isAlive } from '../fixtures/fleet/fleet.ts'
import type { AppHost } from './app-host.ts'
import type { Preset } from '../../helper/contract/presets.ts'
import { errorOf, keepFigures, startJob, tableOf, valueOf, waitForRun, type Job } from './job.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { readSettings } from './settings-files.ts'
import { worldProblem } from './world.ts'

const reason = whyNot([...fleetPrograms, 'flock', 'dbus-daemon', 'dbus-send', 'gcc', 'pdftotext']) ?? worldProblem()
const preset = 'more-agents'
const minIdleMs = 60_000

describe.skipIf(reason !== null)(`the main job, with real agents and the installed helper${reason === null ? '' : ` (${reason})`}`, () => {
  let job: Job
  let app: Awaited<ReturnType<Job['openApp']>>
  let before: Record<string, string>
  let plan: PlanView
  let run: RunDetail
  const lines: string[] = []

  beforeAll(async () => {
    job = await startJob({ plain: { 'claude-code': 2, 'gemini-cli': 2, opencode: 2 }, launched: { 'claude-code': 2, 'gemini-cli': 2, opencode: 1 } })
    before = await readSettings()
    app = await job.openApp(job.fleet.user, 'app')
  })
  afterAll(async () => {
    await job?.stop()
    if (lines.length === 0) return
    // Kept as well, so that what runs the suites can end with it.
    await keepFigures('last-lines.txt', `${lines.join('\n')}\n`)
    process.stdout.write(`\n${lines.join('\n')}\n`)
  })

  /** All settings as they were, the plan's own files included. */
  const expectSettingsAsBefore = async (): Promise<void> => {
    expect(await readSettings(Object.keys(before))).toEqual(before)
  }

  /** Plans and applies the preset; answers with the run's id. */
  const press = async (host: AppHost): Promise<string> => {
    const shown = valueOf(await host.call('plan.make', { presetId: preset, agentIds: null }))
    expect(shown.simulation).toBe(false)
    return valueOf(await host.call('run.apply', { presetId: preset, digest: shown.plan.digest, agentIds: null })).runId
  }

  test('the app sees every agent at its prompt, and each becomes idle', { timeout: 300_000 }, async () => {
    expect(job.fleet.agents.length).toBeGreaterThanOrEqual(8)
    await vi.waitFor(async () => {
      const { agents } = valueOf(await app.call('live.get', {}))
      expect(new Set(agents.map(({ pid }) => pid))).toEqual(new Set(job.fleet.agents.map(({ main }) => main.pid)))
      expect(agents).toHaveLength(job.fleet.agents.length)
      const busy = agents.filter(({ idleMs }) => (idleMs.value ?? 0) < minIdleMs)
      expect(busy.map(({ name, idleMs }) => `${name}: ${idleMs.value}`)).toEqual([])
    }, { timeout: 290_000, interval: 2_000 })
    for (const agent of job.fleet.agents) expect(await isAlive(agent), agent.kind).toBe(true)
  })

  test('the plan names each file with its present value, treats idle agents and leaves some alone', async () => {
    plan = valueOf(await app.call('plan.make', { presetId: preset, agentIds: null }))
    expect(plan.simulation).toBe(false)
    expect(plan.treated.length).toBeGreaterThanOrEqual(8)
    expect(plan.control).toHaveLength(3)
    for (const step of plan.plan.steps) {
      if (step.operation.op !== 'write') continue
      const text = (await readFile(step.operation.path, 'utf8')).trim()
      expect(step.old, step.target).toBe(/\[(?<chosen>[^\]]+)\]/u.exec(text)?.groups?.['chosen'] ?? text)
    }
    before = await readSettings(plan.plan.steps.flatMap(({ operation }) => (operation.op === 'write' || operation.op === 'write-first-kept' ? [operation.path] : [])))
  })

  test('of two windows pressing at once one is served and the other hears that a run is open', async () => {
    const other = await job.openApp(job.fleet.user, 'other')
    const others = valueOf(await other.call('plan.make', { presetId: preset, agentIds: null }))
    const answers = await Promise.all([
      app.call('run.apply', { presetId: preset, digest: plan.plan.digest, agentIds: null }),
      other.call('run.apply', { presetId: preset, digest: others.plan.digest, agentIds: null }),
    ])
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
    const served = answers.find((answer) => answer.ok)
    const refused = answers.find((answer) => !answer.ok)
    if (served === undefined || refused === undefined) throw new Error('one answer of each kind')
    const { runId } = valueOf(served)
    expect(errorOf(refused)).toMatchObject({ code: 'busy', runId })
    expect(errorOf(refused).message).toMatch(/run is open/u)
    // Whichever was served goes on with it; the other stays open beside it, as a second window would.
    if (served !== answers[0]) app = other
    run = valueOf(await app.call('runs.get', { runId }))
  })

  test('treated agents cost clearly less than agents of the same kinds left alone', async () => {
    run = await waitForRun(app, run.record.id, ['waiting', 'failed', 'undone', 'partly-undone'], 175_000)
    expect(run.record.error).toBeNull()
    expect(run.record, run.record.undoCause ?? '').toMatchObject({ state: 'waiting', undoCause: null })
    expect(run.record.uid).toBe(job.fleet.user.uid)
    expect(run.record.steps.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    const { delta } = run
    if (delta === null) throw new Error('a run that waits has a comparison')
    const { total } = delta
    await keepFigures('main-job.json', `${JSON.stringify(run, null, 2)}\n`)
    await keepFigures('main-job.txt', `${tableOf(delta)}\n`)
    process.stdout.write(`${tableOf(delta)}\n`)
    lines.push(
      `before ${Math.round(total.beforeBytes / 1024 ** 2)} MiB`,
      `after ${Math.round(total.afterBytes / 1024 ** 2)} MiB, expected from the control ${Math.round(total.expectedAfterBytes / 1024 ** 2)} MiB: gain ${Math.round(total.gainBytes / 1024 ** 2)} MiB, ${total.gainPercent.value} %`,
      `noise ${Math.round((total.noiseBytes.value ?? Number.NaN) / 1024 ** 2)} MiB`,
    )
    expect(delta.comparable).toBe(true)
    expect(total.controlled).toBe('all')
    expect(total.verdict).toBe('gain')
    expect(total.noiseBytes.value).not.toBeNull()
    expect(total.gainBytes).toBeGreaterThan(3 * (total.noiseBytes.value ?? Number.POSITIVE_INFINITY))
    expect(total.gainPercent.value).toBeGreaterThan(20)
    for (const agent of job.fleet.agents) expect(await isAlive(agent), agent.kind).toBe(true)
  })

  test('merging reached the agents that the launcher started', async () => {
    const launched = job.fleet.agents.filter((agent) => agent.launched)
    expect(launched.length).toBeGreaterThan(0)
    const merged = await Promise.all(launched.map(async ({ main }) => Number(/ksm_merging_pages (\d+)/u.exec(await readFile(`/proc/${main.pid}/ksm_stat`, 'utf8'))?.[1] ?? 0)))
    expect(merged.reduce((sum, pages) => sum + pages, 0)).toBeGreaterThan(0)
  })

  test('keep ends the waiting, and the run is in the history with its figures', async () => {
    valueOf(await app.call('run.keep', { runId: run.record.id }))
    const kept = await waitForRun(app, run.record.id, ['kept'], 20_000)
    expect(kept.delta?.total).toEqual(run.delta?.total)
    const listed = valueOf(await app.call('runs.list', { limit: 20 })).find(({ summary }) => summary.id === run.record.id)
    expect(listed?.summary.state).toBe('kept')
    expect(listed?.gainBytes).toEqual({ value: run.delta?.total.gainBytes })
    expect(listed?.noiseBytes).toEqual(run.delta?.total.noiseBytes)
  })

  test.for(['html', 'pdf', 'csv', 'json', 'md'] as const)('the report is exported as %s, with figures and without private paths', async (format) => {
    const report = valueOf(await app.call('report.make', { subject: { of: 'run', runId: run.record.id }, format, private: false }))
    expect(report.fileName).toMatch(new RegExp(`\\.${format}$`, 'u'))
    const bytes = Buffer.from(report.base64, 'base64')
    const file = join(job.helper.place, `report.${format}`)
    await writeFile(file, bytes)
    await keepFigures(`report.${format}`, bytes)
    const text = format === 'pdf' ? await runCommand('pdftotext', ['-layout', file, '-']) : bytes.toString('utf8')
    // Nothing of where the agents work, nothing outside of the file.
    expect(text).not.toContain(job.fleet.ground.folder)
    for (const { projectFolder } of job.fleet.agents) expect(text).not.toContain(projectFolder)
    for (const title of ['Claude Code', 'Gemini CLI', 'opencode']) expect(text).toContain(title)
    if (format === 'html') {
      expect(text).toMatch(/<svg[\s>]/u)
      expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\//u)
    }
    if (format === 'pdf') expect(bytes.subarray(0, 5).toString('latin1')).toBe('%PDF-')
    if (format === 'json') expect(JSON.stringify(JSON.parse(text))).toContain(String(run.delta?.total.gainBytes))
    if (format === 'csv') expect(text.split('\n').length).toBeGreaterThan(job.fleet.agents.length)
  })

  test('undo gives every file its old value back', async () => {
    const changed = await readSettings(Object.keys(before))
    expect(changed).not.toEqual(before)
    const undone = valueOf(await app.call('run.undo', { runId: run.record.id }))
    const settled = undone.record.state === 'undone' ? undone : await waitForRun(app, run.record.id, ['undone', 'partly-undone'], 120_000)
    expect(settled.record.undo.filter(({ outcome }) => outcome === 'left-alone' || outcome === 'failed')).toEqual([])
    expect(settled.record.state).toBe('undone')
    await expectSettingsAsBefore()
    for (const agent of job.fleet.agents) expect(await isAlive(agent), agent.kind).toBe(true)
    lines.push(`undone ${Object.keys(before).length} files as before, byte by byte`)
  })

  test('without permission nothing is changed, and the user hears that it is not allowed', async () => {
    const denied = await job.openApp(job.denied, 'denied')
    const shown = valueOf(await denied.call('plan.make', { presetId: preset, agentIds: null }))
    const error = errorOf(await denied.call('run.apply', { presetId: preset, digest: shown.plan.digest, agentIds: null }))
    expect(error.code).toBe('authorization-denied')
    expect(error.message.length).toBeGreaterThan(10)
    await denied.stop()
    await expectSettingsAsBefore()
  })

  test('where a password is needed, closing the dialog or having none is told apart, and nothing is changed', async () => {
    const asked = await job.openApp(job.asked, 'asked')
    const pressed = async (): Promise<string> => {
      const shown = valueOf(await asked.call('plan.make', { presetId: preset, agentIds: null }))
      return errorOf(await asked.call('run.apply', { presetId: preset, digest: shown.plan.digest, agentIds: null })).code
    }
    expect(await pressed()).toBe('authorization-obtainable')
    const dialog = await job.start(job.asked, asked.folder, 'e2e/installed/dialog-agent.ts', [job.helper.bus.address, String(asked.pid)], /ready/u)
    expect(await pressed()).toBe('authorization-dismissed')
    expect(dialog.log()).toMatch(/dialog org\.agentmem\.change-layers/u)
    await dialog.stop()
    await asked.stop()
    await expectSettingsAsBefore()
  })

  test('the command line does the same over the same use-cases: own preset applied, kept and undone', async () => {
    const own: Preset = {
      version: 1, id: 'quick-merge', title: 'Quick merge', description: '', settleMs: 1_000, confirmMs: 30_000,
      settings: { ksm: { mode: 'merge', pagesToScan: 137, sleepMs: 33 } },
    }
    valueOf(await app.call('presets.save', { preset: own }))
    const agentmemctl = async (...args: string[]): Promise<string> => {
      const running = await job.start(job.fleet.user, app.folder, 'electron/cli/agentmemctl.ts', args)
      let out = ''
      running.child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
      expect(await running.ended, `agentmemctl ${args.join(' ')}: ${running.log()}`).toBe(0)
      return out
    }
    const seen = snapshotSchema.parse(JSON.parse(await agentmemctl('snapshot', '--json')))
    expect(new Set(seen.agents.map(({ pid }) => pid))).toEqual(new Set(job.fleet.agents.map(({ main }) => main.pid)))
    await agentmemctl('apply', own.id, '--yes', '--keep')
    const changed = await readSettings(Object.keys(before))
    expect(changed['/sys/kernel/mm/ksm/pages_to_scan']).toBe('137\n')
    expect(changed['/sys/kernel/mm/ksm/sleep_millisecs']).toBe('33\n')
    await agentmemctl('undo')
    await expectSettingsAsBefore()
  })

  const killCases = [
    { when: 'while it changes settings', isTime: async () => Object.entries(await readSettings(Object.keys(before))).some(([path, text]) => before[path] !== text) },
    { when: 'while it lets the machine settle', isTime: async (runId: string) => (await job.helper.state(runId)) === 'settling' },
  ]
  test.for(killCases)('a helper killed $when is started again and takes everything back', async ({ isTime }) => {
    const runId = await press(app)
    await vi.waitFor(async () => {
      expect(await isTime(runId)).toBe(true)
    }, { timeout: 90_000, interval: 50 })
    expect(await readSettings(Object.keys(before))).not.toEqual(before)
    const pid = await job.helper.pid()
    if (pid === null) throw new Error('no helper runs in the middle of a run')
    process.kill(pid, 'SIGKILL')
    const recovered = await waitForRun(app, runId, ['undone', 'partly-undone', 'failed'], 120_000)
    expect(recovered.record.state).toBe('undone')
    // The guard is faster than the next helper; whoever comes first takes it back.
    expect(['watchdog', 'startup-recovery']).toContain(recovered.record.undoCause)
    const again = await job.helper.pid()
    expect(again).not.toBeNull()
    expect(again).not.toBe(pid)
    await expectSettingsAsBefore()
    for (const agent of job.fleet.agents) expect(await isAlive(agent), agent.kind).toBe(true)
  })
})
