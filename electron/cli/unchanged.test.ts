import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { changesNothing, type Plan } from '../../helper/contract/plan.ts'
import { presetSchema } from '../../helper/contract/presets.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import { readProbe } from '../../helper/observe/probe.ts'
import { makePlan } from '../../helper/plan/make-plan.ts'
import type { App } from '../app/app.ts'
import type { PlanView } from '../contract/views.ts'
import { answers } from './answers.ts'
import { applyShown, type ApplyOptions } from './change.ts'
import { tryOut } from './diagnosis/try.ts'
import { EXIT } from './exit-codes.ts'

const planned: { view: PlanView | null } = { view: null }
const asked: string[] = []
/** An app whose helper is there, and which only notes that it was told to apply. */
const app = {
  call: async (channel: string) => { asked.push(channel); return planned.view === null ? fail('internal', 'no plan in this test') : ok(planned.view) },
  inner: { runs: { apply: async () => { asked.push('apply'); return fail('busy', 'It came to the run.') } } },
} as unknown as App
vi.mock('./open-app.ts', () => ({ withApp: (work: (app: App) => Promise<number>) => work(app) }))

const skip = (kind: Plan['skipped'][number]['kind']): Plan['skipped'][number] => ({ source: 'tunables', what: 'swappiness', reason: '/proc/sys/vm/swappiness already holds 60.', kind })
const viewOf = (plan: Partial<Plan>, simulation = false): PlanView => ({
  presetId: 'balanced', simulation, treated: [], control: [], asksPassword: false,
  plan: { version: 1, digest: '0'.repeat(64), kernelRelease: '6.12', steps: [], skipped: [], notes: [], ...plan },
})
const options: ApplyOptions = { json: false, observe: false, yes: true, keep: true, wait: false }

let printed = ''
beforeEach(() => {
  printed = ''
  asked.length = 0
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => { printed += String(text); return true })
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
})
afterEach(() => { vi.restoreAllMocks() })
const words = (): string => printed.replaceAll(/\s+/gu, ' ')

describe('a plan that changes nothing', () => {
  it.each([
    { of: 'is so already', skipped: [skip('already-so')], says: 'is so already. Nothing was applied.', code: EXIT.ok },
    { of: 'is not needed', skipped: [skip('already-so'), skip('not-needed')], says: 'is needed now', code: EXIT.ok },
    { of: 'cannot be done', skipped: [skip('already-so'), skip('impossible')], says: 'this machine cannot do now', code: EXIT.cannot },
  ])('is not applied where what it asks for $of', async ({ skipped, says, code }) => {
    expect(await applyShown(app, viewOf({ skipped }), options)).toBe(code)
    expect(words()).toContain(says)
    // Why, as for every part that a plan leaves out.
    expect(words()).toContain('already holds 60')
    expect(words()).not.toContain('kept')
    expect(asked).toEqual([])
  })

  it('is told as an object of its own to programs, whether or not anybody could be asked', async () => {
    expect(await applyShown(app, viewOf({ skipped: [skip('already-so')] }), { ...options, json: true, yes: false })).toBe(EXIT.ok)
    expect(answers.unchanged.parse(JSON.parse(printed))).toMatchObject({ version: 1, changed: false, presetId: 'balanced', skipped: [{ kind: 'already-so' }] })
    expect(asked).toEqual([])
  })

  it('has tried nothing as a solution, which is no success, and names where there are others', async () => {
    planned.view = viewOf({ skipped: [skip('already-so')] })
    const wish = { ...options, subject: '', simulation: false }
    expect(await tryOut('vm.swappiness', 'lower', wish)).toBe(EXIT.cannot)
    expect(words()).toContain('Nothing was tried: what this solution would set is set already')
    expect(words()).toContain('agentmemctl explain vm.swappiness')
    printed = ''
    expect(await tryOut('vm.swappiness', 'lower', { ...wish, json: true })).toBe(EXIT.cannot)
    expect(answers.unchanged.parse(JSON.parse(printed))).toMatchObject({ changed: false, advice: expect.stringContaining('explain vm.swappiness') })
    expect(asked).toEqual(['diagnosis.try', 'diagnosis.try'])
  })

  it('does not hide that the helper is missing, which may see more', async () => {
    expect(await applyShown(app, viewOf({}, true), options)).toBe(EXIT.noHelper)
  })
})

describe('everything off', () => {
  it('is applied where there is something to undo', async () => {
    const machine = join(import.meta.dirname, '../../helper/test/machines/ubuntu-desktop-linux-6.8-cgroup-v2')
    const plan = makePlan({ settings: presetSchema.parse(JSON.parse(readFileSync(join(import.meta.dirname, '../../assets/presets/everything-off.json'), 'utf8'))).settings, probe: readProbe(machine), agents: [], ourSwap: [] })
    expect(changesNothing(plan)).toBe(false)
    expect(await applyShown(app, viewOf(plan), options)).toBe(EXIT.busy)
    expect(asked).toEqual(['apply'])
  })
})
