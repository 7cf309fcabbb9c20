import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { fail, ok } from '../../../helper/contract/result.ts'
import { presetSchema } from '../../../helper/contract/presets.ts'
import type { SystemClient, SystemState } from '../helper-client/system-client.ts'
import { sampleAgent } from '../report/sample.ts'
import { samplePlan } from '../report/sample-run.ts'
import { createPlanner } from './planner.ts'

const machine = join(import.meta.dirname, '../../../helper/test/machines/ubuntu-desktop-linux-6.8-cgroup-v2')
const preset = presetSchema.parse({ version: 1, id: 'keep', title: 'Keep', description: '', settings: { ksm: { mode: 'keep' }, reclaim: { minIdleMs: 1_000 } }, settleMs: 0, confirmMs: 60_000 })
const pageOut = presetSchema.parse({ version: 1, id: 'page-out', title: 'Page out', description: '', scope: 'action', settings: { reclaim: { minIdleMs: 0 } }, settleMs: 0, confirmMs: 60_000 })
const agents = [1, 2, 3].map((pid) => sampleAgent({ kind: 'claude', title: 'Claude Code', name: 'p', pid, folder: '/p', anonMib: 100 + pid, fileMib: 1 }))

const make = (state: SystemState['system'], call = vi.fn(), seen: Parameters<typeof createPlanner>[0]['agents'] = async () => ok(agents)) =>
  createPlanner({
    root: machine,
    system: { refresh: async () => ({ system: state, systemVersion: null }), call } as Pick<SystemClient, 'call' | 'refresh'>,
    presets: { get: (id) => (id === 'keep' ? ok({ preset, builtIn: true }) : id === 'page-out' ? ok({ preset: pageOut, builtIn: true }) : fail('bad-request', `There is no preset "${id}".`)) },
    agents: seen,
    keepControl: () => true,
    idleAfterMs: () => 120_000,
    uid: 1000,
  })
const wish = { presetId: 'keep', agentIds: null }

describe('planning', () => {
  it.each(['not-installed', 'no-bus', 'unreachable', 'too-old'] as const)('simulates on this machine when the helper is %s', async (state) => {
    const view = await make(state).plan(wish)
    if (!view.ok) throw new Error(view.error.message)
    expect(view.value).toMatchObject({ simulation: true, asksPassword: false })
    expect(view.value.control).toEqual([agents[1]?.id])
    expect(view.value.treated).toEqual([agents[0]?.id, agents[2]?.id])
    const ksm = view.value.plan.steps.find((step) => step.target === '/sys/kernel/mm/ksm/run')
    expect(ksm).toMatchObject({ old: '1', new: '0' })
  })

  it('asks an action for the idle time of the settings, unless agents were named', async () => {
    const busy = sampleAgent({ kind: 'codex', title: 'Codex', name: 'p', pid: 9, folder: '/p', anonMib: 50, fileMib: 1 })
    const planner = make('not-installed', vi.fn(), async () => ok([...agents, { ...busy, state: 'active' as const, idleMs: { value: 0 } }]))
    const all = await planner.plan({ presetId: 'page-out', agentIds: null })
    expect(all).toMatchObject({ ok: true, value: { treated: [agents[0]?.id, agents[2]?.id], control: [agents[1]?.id] } })
    const named = await planner.plan({ presetId: 'page-out', agentIds: [busy.id] })
    expect(named).toMatchObject({ ok: true, value: { treated: [busy.id], control: [] } })
  })

  it('plans through the helper where there is one, with the treated agents only', async () => {
    const call = vi.fn(async () => ok(samplePlan))
    const view = await make('ready', call).plan(wish)
    expect(view).toMatchObject({ ok: true, value: { simulation: false, asksPassword: true, plan: { digest: samplePlan.digest } } })
    expect(call).toHaveBeenCalledWith('Plan', expect.objectContaining({ agents: [expect.objectContaining({ id: agents[0]?.id }), expect.objectContaining({ id: agents[2]?.id })] }))
  })

  it('simulates when the helper vanishes meanwhile, but passes on that it refuses', async () => {
    expect(await make('ready', vi.fn(async () => fail('helper-missing', 'Gone.'))).plan(wish)).toMatchObject({ ok: true, value: { simulation: true } })
    const denied = fail('authorization-denied', 'You may not look.')
    expect(await make('ready', vi.fn(async () => denied)).plan(wish)).toEqual(denied)
  })

  it('plans the layers though nothing is known of agents', async () => {
    const view = await make('not-installed', vi.fn(), async () => fail('helper-missing', 'No session.')).plan(wish)
    expect(view).toMatchObject({ ok: true, value: { treated: [], control: [] } })
  })

  it('names an agent that is gone, and a preset that is none', async () => {
    const planner = make('not-installed')
    const lost = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:99:1'
    expect(await planner.plan({ presetId: 'keep', agentIds: [lost] })).toMatchObject({ ok: false, error: { code: 'process-gone', about: lost } })
    expect(await planner.plan({ presetId: 'nope', agentIds: null })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
  })

  it('remembers what it showed by preset and digest, for two windows at once', async () => {
    const planner = make('not-installed')
    const first = await planner.plan({ presetId: 'keep', agentIds: [agents[0]?.id ?? ''] })
    const second = await planner.plan(wish)
    if (!first.ok || !second.ok) throw new Error('both were planned')
    expect(planner.shown('keep', first.value.plan.digest)?.view).toEqual(first.value)
    expect(planner.shown('keep', second.value.plan.digest)?.view).toEqual(second.value)
    expect(planner.shown('other', first.value.plan.digest)).toBeNull()
  })
})
