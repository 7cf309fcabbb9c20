import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Finding } from '../../electron/contract/diagnosis.ts'
import type { PlanView } from '../../electron/contract/views.ts'
import { startJob, valueOf, waitForRun, type Job } from './job.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { worldProblem } from './world.ts'

const HUGE_PAGES = '/proc/sys/vm/nr_hugepages'
const MIB = 1024 ** 2
/** Three percent of memory, of two MiB each: the rule speaks from one on, and it is more than others of this machine take meanwhile. */
const RESERVED = Math.ceil(Number(/^MemTotal:\s+(\d+)/mu.exec(await readFile('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 2048 / 32)

const setHugePages = async (pages: number): Promise<number> => {
  await writeFile(HUGE_PAGES, String(pages))
  return Number(await readFile(HUGE_PAGES, 'utf8'))
}

const reason = whyNot([...fleetPrograms, 'flock', 'dbus-daemon', 'dbus-send', 'gcc']) ?? worldProblem()

describe.skipIf(reason !== null)(`a finding, tried with the installed helper${reason === null ? '' : ` (${reason})`}`, () => {
  let job: Job
  let app: Awaited<ReturnType<Job['openApp']>>
  let before = 0
  let reserved = 0
  let runId = ''
  const of = { rule: 'huge-pages.reserved-unused', subject: '' }

  const found = async (): Promise<Finding | undefined> => valueOf(await app.call('diagnosis.get', { leaks: false })).findings.find(({ rule }) => rule === of.rule)
  const journal = async (text: string) => valueOf(await app.call('journal.search', { text, limit: 20, beforeId: null })).entries

  beforeAll(async () => {
    // Holds the lock on the kernel's settings from here on.
    job = await startJob({ plain: {}, launched: {} })
    before = Number(await readFile(HUGE_PAGES, 'utf8'))
    reserved = await setHugePages(RESERVED)
    app = await job.openApp(job.fleet.user, 'app')
  })
  afterAll(async () => {
    if (job === undefined) return
    await app?.stop()
    await setHugePages(before)
    await job.stop()
  })

  test('memory set aside for nobody is found, written down once, and has a way to try', async () => {
    expect(reserved).toBe(RESERVED)
    const finding = await found()
    expect(finding).toMatchObject({ severity: 'warning', figures: [expect.objectContaining({ value: expect.any(Number) as number, unit: 'bytes' }), expect.anything()] })
    expect(finding?.solutions[0]).toMatchObject({ id: 'give-back', before: [] })
    await found()
    expect((await journal('"huge pages"')).map(({ kind, rule }) => [kind, rule])).toEqual([['finding', of.rule]])
  })

  test('the plan names the file; applied, it measurably helps and waits to be kept', { timeout: 180_000 }, async () => {
    const plan: PlanView = valueOf(await app.call('diagnosis.try', { ...of, solution: 'give-back' }))
    expect(plan).toMatchObject({ simulation: false, plan: { steps: [{ source: 'tunables', target: HUGE_PAGES, old: String(RESERVED), new: '0' }] } })
    runId = valueOf(await app.call('run.apply', { presetId: plan.presetId, digest: plan.plan.digest, agentIds: null })).runId
    const waiting = await waitForRun(app, runId, ['waiting', 'failed', 'undone'], 170_000)
    expect(waiting.record).toMatchObject({ state: 'waiting', error: null })
    expect(Number(await readFile(HUGE_PAGES, 'utf8'))).toBe(0)
    await vi.waitFor(async () => { expect(await found()).toBeUndefined() }, { timeout: 60_000, interval: 1_000 })
  })

  test('kept, the journal knows what it won; the report tells what was found', async () => {
    valueOf(await app.call('run.keep', { runId }))
    const { delta } = await waitForRun(app, runId, ['kept'], 20_000)
    const available = delta?.machine.find(({ id }) => id === 'available')
    const riseBytes = available?.changeBytes.value ?? 0
    // Other programs of this machine take and give meanwhile, now and then more than these pages are.
    const isClear = riseBytes > Math.max(64 * MIB, available?.noiseBytes.value ?? 0)
    const entries = await journal('"give the unused ones back"')
    expect(entries.map(({ kind, outcome, rule, solution }) => ({ kind, outcome, rule, solution }))).toEqual([
      { kind: 'outcome', outcome: isClear ? 'kept' : expect.stringMatching(/^(?:kept|no-gain)$/u), rule: of.rule, solution: 'give-back' },
      { kind: 'action', outcome: null, rule: of.rule, solution: 'give-back' },
    ])
    expect(entries[0]?.gainBytes.value === riseBytes, `${riseBytes} more became available, the journal says ${entries[0]?.gainBytes.value}`).toBe(isClear)
    const report = valueOf(await app.call('report.make', { subject: { of: 'run', runId }, format: 'json', private: false }))
    expect(JSON.parse(Buffer.from(report.base64, 'base64').toString('utf8'))).toMatchObject({ findings: { rows: expect.any(Array) as unknown[] } })
  })

  test('undone, the pages are set aside again, and the finding comes back with what was seen of its solution', { timeout: 180_000 }, async () => {
    valueOf(await app.call('run.undo', { runId }))
    await waitForRun(app, runId, ['undone'], 60_000)
    expect(Number(await readFile(HUGE_PAGES, 'utf8'))).toBe(RESERVED)
    await vi.waitFor(async () => {
      const finding = await found()
      expect(finding?.solutions.find(({ id }) => id === 'give-back')?.before).toMatchObject([{ outcome: 'undone' }])
    }, { timeout: 60_000, interval: 1_000 })
    // What was not tried comes before what was taken back.
    expect((await found())?.solutions.at(-1)?.id).toBe('give-back')
  })
})
