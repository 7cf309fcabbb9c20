import { beforeEach, describe, expect, it } from 'vitest'
import { fail, ok } from '../../contract/result.ts'
import { defaultPolicy, type Policy } from '../../contract/lifecycle.ts'
import { createRegistry, type Registry } from '../registry/registry.ts'
import { madeAgent } from '../registry/testing.ts'
import type { Backend } from './backend.ts'
import { createKeeper, type Keeper } from './keeper.ts'
import { createStanding, type OwnPlaces } from './standing.ts'

const can = { how: 'helper' as const, text: '' }
const [a, b] = [madeAgent(10), madeAgent(11)]
let policy: Policy
let registry: Registry
let keeper: Keeper
let calls: string[]
let nowMs: number
let allowed: boolean

const backend: Backend = {
  suspend: async () => fail('internal', 'not here'),
  resume: async () => ok({ resumed: [], left: [] }),
  held: async () => ok({ suspended: [], guard: { running: false, pid: null, pssBytes: { value: 0 }, runs: 0, agents: 0, words: [] }, limits: [], suspend: can, limit: can }),
  limit: async (agent, limits, cause, mayAsk) => {
    calls.push(`limit ${agent === null ? 'all' : 'one'} ${limits.highBytes} ${cause} ${mayAsk ? 'may ask' : 'silent'}`)
    if (!allowed) return fail('authorization-obtainable', 'A password is needed.')
    return ok({ agentId: null, cgroup: '/cg', limits, files: [], setAtMs: 0, state: 'watching', watchUntilMs: 1, text: '' })
  },
  trim: async () => fail('internal', 'not here'),
}
const own: OwnPlaces = {
  place: async (agent) => {
    calls.push(`place ${agent.processes[0]?.pid}`)
    return agent.id === b.id ? fail('write-refused', 'it is outside of your own slice') : ok(null)
  },
  unplace: async (id) => { calls.push(`unplace ${id.split(':')[1]}`) },
}
const make = (places: OwnPlaces | null) => createStanding({ policy: () => policy, registry, keeper, places: () => places, tell: () => undefined, nowMs: () => nowMs })

beforeEach(() => {
  calls = []
  nowMs = 1_000_000
  allowed = true
  policy = defaultPolicy
  registry = createRegistry({ kept: { projects: [], agents: [], lastWordMs: 0 }, nowMs: () => nowMs, foundBy: () => 'discovered', onEvent: () => undefined })
  registry.take([a, b], new Map())
  keeper = createKeeper({ backend, registry, root: '/nowhere', nowMs: () => nowMs, lastWordMs: 0, onWord: () => undefined })
})

describe('what the policy keeps in force', () => {
  it('nothing unless asked for', async () => {
    await make(own)()
    expect(calls).toEqual([])
  })

  it('the budget, set once, and without asking anybody', async () => {
    policy = { ...defaultPolicy, budgetBytes: 1_000_000_000 }
    const stand = make(null)
    await stand()
    await stand()
    expect(calls).toEqual(['limit all 1000000000 policy silent'])
  })

  it('a budget that needs a password is tried again later, not with each look', async () => {
    policy = { ...defaultPolicy, budgetBytes: 1_000_000_000 }
    allowed = false
    const stand = make(null)
    await stand()
    await stand()
    expect(calls).toHaveLength(1)
    nowMs += 11 * 60_000
    await stand()
    expect(calls).toHaveLength(2)
  })

  it('cgroups of their own: each agent once, and put back when it is turned off', async () => {
    policy = { ...defaultPolicy, ownCgroups: true }
    const stand = make(own)
    await stand()
    await stand()
    expect(calls).toEqual(['place 10', 'place 11'])
    policy = defaultPolicy
    await stand()
    expect(calls.slice(2)).toEqual(['unplace 10'])
  })
})
