import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Fix } from '../../../helper/contract/lifecycle.ts'
import type { LimitView } from '../../../helper/contract/limits.ts'
import { sessionRequests, type Registry, type SessionMethod } from '../../../helper/contract/requests.ts'
import type { CallName, Request } from '../../contract/channels.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import { openHistoryInMemory } from '../history/open.ts'
import { createLifecycle } from '../lifecycle/lifecycle.ts'
import { sampleEntry, sampleEvent, sampleRegistry, sampleResumed, sampleSuspension } from '../lifecycle/sample.ts'
import { sampleAgent } from '../report/sample.ts'
import { dispatch } from './dispatch.ts'
import { createHandlers, type HandlerDeps } from './handlers.ts'

const agent = sampleAgent({ kind: 'claude-code', title: 'Claude Code', name: 'web-shop', pid: 100, folder: '/p', anonMib: 300, fileMib: 0 })
const ids = [agent.id]
const limit: LimitView = { agentId: agent.id, cgroup: '/c', limits: { highBytes: 2 ** 30 }, files: [], setAtMs: 1, state: 'holds', watchUntilMs: 2, text: '' }
const fix: Fix = { id: 'claude-hooks', kind: 'hooks', title: 'Hooks of Claude Code', text: '', state: 'applied', savesBytes: { value: 1 }, agents: ids, changes: [], digest: 'd', undo: [], problem: null }

let asked: [SessionMethod, unknown][]
let answers: Partial<Record<SessionMethod, Result<unknown>>>
let registry: Registry
const hurry = vi.fn<() => void>()
const uninstall = vi.fn<() => Promise<Result<void>>>()

const make = () => {
  const history = openHistoryInMemory({ code: 'internal', message: 'test' })
  const session = {
    call: (async (method: SessionMethod, request: unknown) => {
      asked.push([method, sessionRequests[method].request.parse(request)])
      return answers[method] ?? fail('helper-gone', `${method} is not there.`)
    }) as SessionClient['call'],
  }
  const lifecycle = createLifecycle({ session, history, onRegistry: () => {}, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 })
  const unused = { settings: {}, presets: {}, runs: {}, system: {} } as HandlerDeps
  const sampler = { hurry } as Partial<HandlerDeps['sampler']> as HandlerDeps['sampler']
  const installer = { uninstall } as Partial<HandlerDeps['installer']> as HandlerDeps['installer']
  const deps: HandlerDeps = { ...unused, sampler, installer, changed: () => {}, history, session, lifecycle, system: { ...unused.system, refresh: async () => ({ system: 'not-installed', systemVersion: null }) }, helperState: () => ({ system: 'not-installed', session: 'ready', systemVersion: null, advice: '' }), now: () => 5 }
  const handlers = createHandlers(deps)
  return { history, call: <K extends CallName>(name: K, request: Request<K>) => dispatch(handlers, name, request) }
}
beforeEach(() => {
  asked = []
  hurry.mockClear()
  uninstall.mockReset().mockResolvedValue(ok(undefined))
  registry = sampleRegistry([sampleEntry(agent, { limit })])
  answers = {
    Registry: ok(registry),
    Events: ok({ spool: 's', events: [] }),
    Suspend: ok({ suspended: [sampleSuspension(agent)], left: [] }),
    Resume: ok({ resumed: [sampleResumed(agent)], left: [] }),
    SetAgent: ok(sampleEntry(agent)),
    Limit: ok(limit),
    AskToFree: ok({ asked: [] }),
    SetPolicy: ok(registry.policy),
    Leftovers: ok({ orphans: [], duplicates: [] }),
    Reap: ok({ ended: [], left: [] }),
    Fixes: ok({ fixes: [fix] }),
    ApplyFix: ok(fix),
    UndoFix: ok({ ...fix, state: 'offered' }),
  }
})

describe('what is done with agents', () => {
  const processes = [{ pid: 100, startTimeTicks: 5 }]
  const cases: { [K in CallName]?: [Request<K>, SessionMethod] } = {
    'lifecycle.get': [{}, 'Registry'],
    'agents.suspend': [{ ids, cause: 'user' }, 'Suspend'],
    'agents.resume': [{ ids, cause: 'command-line' }, 'Resume'],
    'agents.set': [{ id: agent.id, pinned: true }, 'SetAgent'],
    'agents.limit': [{ id: agent.id, limits: { highBytes: 2 ** 30 } }, 'Limit'],
    'agents.ask-to-free': [{ id: agent.id }, 'AskToFree'],
    'policy.set': [{ policy: sampleRegistry([]).policy }, 'SetPolicy'],
    'leftovers.get': [{}, 'Leftovers'],
    'leftovers.reap': [{ processes }, 'Reap'],
    'fixes.get': [{}, 'Fixes'],
    'fixes.apply': [{ id: fix.id, digest: 'd' }, 'ApplyFix'],
    'fixes.undo': [{ id: fix.id }, 'UndoFix'],
  }
  it.each(Object.entries(cases) as [CallName, [never, SessionMethod]][])('%s is asked of the session role, word for word, and its failure is passed on', async (name, [request, method]) => {
    const { call } = make()
    expect(await call(name, request)).toEqual(answers[method])
    expect(asked.find(([one]) => one === method)).toEqual([method, request])
    answers[method] = fail('authorization-dismissed', 'The password dialog was closed.', { about: 'org.agentmem.agents' })
    expect(await call(name, request)).toEqual(answers[method])
  })

  it('measures again after what changes memory, also where it failed half-way', async () => {
    const { call } = make()
    await call('agents.set', { id: agent.id, pinned: true })
    expect(hurry).not.toHaveBeenCalled()
    answers.Suspend = fail('helper-gone', 'It ended.')
    await call('agents.suspend', { ids, cause: 'user' })
    expect(hurry).toHaveBeenCalledOnce()
  })

  it('lets no window act in the name of the policy or of a key', async () => {
    const { call } = make()
    expect(await call('agents.suspend', { ids, cause: 'policy' } as never)).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(await call('agents.limit', { id: null, limits: { maxBytes: 2 ** 30 } })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(asked).toEqual([])
  })

  it('shows a timeline up to this moment, and of an ended agent without the session role', async () => {
    const { call } = make()
    const transition = { atMs: 10, from: 'idle' as const, to: 'suspended' as const, cause: 'policy' as const, text: '' }
    answers.Events = ok({ spool: 's', events: [sampleEvent(1, agent, { transition })] })
    expect(await call('agents.timeline', { id: agent.id, fromMs: 0, toMs: 20 })).toEqual(ok({ transitions: [transition], suspensions: [] }))
    delete answers.Events
    expect(await call('agents.timeline', { id: agent.id, fromMs: 0, toMs: 20 })).toEqual(ok({ transitions: [transition], suspensions: [] }))
  })
})

describe('uninstalling', () => {
  it('wakes agents and takes limits and budget back first, files once it is sure', async () => {
    answers.Registry = ok({ ...registry, budget: { ...limit, agentId: null }, policy: { ...registry.policy, budgetBytes: 2 ** 33 } })
    const { call } = make()
    uninstall.mockImplementation(async () => { asked.push(['Status', 'uninstalled']); return ok(undefined) })
    expect(await call('helper.uninstall', {})).toMatchObject({ ok: true })
    expect(asked.filter(([method]) => method !== 'Registry' && method !== 'Agents' && method !== 'Events')).toEqual([
      ['Resume', { ids: null, cause: 'user' }],
      ['Limit', { id: agent.id, limits: { lowBytes: null, highBytes: null, maxBytes: null, swapMaxBytes: null, zswapMaxBytes: null, toolsHighBytes: null } }],
      ['Limit', { id: null, limits: { lowBytes: null, highBytes: null, maxBytes: null, swapMaxBytes: null, zswapMaxBytes: null } }],
      ['SetPolicy', { policy: { ...registry.policy, budgetBytes: null } }],
      ['Status', 'uninstalled'],
      ['Fixes', {}],
      ['UndoFix', { id: fix.id }],
    ])
  })

  it('leaves files alone where it was dismissed', async () => {
    uninstall.mockResolvedValue(fail('authorization-dismissed', 'The password dialog was closed.'))
    const { call } = make()
    expect(await call('helper.uninstall', {})).toMatchObject({ ok: false, error: { code: 'authorization-dismissed' } })
    expect(asked.some(([method]) => method === 'UndoFix')).toBe(false)
  })

  it('goes on where something cannot be taken back, and says what', async () => {
    answers.Fixes = ok({ fixes: [{ ...fix, state: 'changed-since' }] })
    answers.Limit = fail('write-refused', 'memory.high could not be written.')
    const { call, history } = make()
    expect(await call('helper.uninstall', {})).toMatchObject({ ok: true })
    expect(history.reader.events({ fromMs: 0, toMs: 10, limit: 9 }).map((event) => event.text).toSorted()).toEqual([
      'While uninstalling: "Hooks of Claude Code" was changed since it was applied and stays as it is.',
      'While uninstalling: memory.high could not be written.',
    ])
  })
})
