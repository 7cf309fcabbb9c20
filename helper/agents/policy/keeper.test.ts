import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeRoot, type MadeRoot } from '../../test/proc-tree.ts'
import { fail, ok } from '../../contract/result.ts'
import type { GuardStatus, GuardWord, LifecycleEvent } from '../../contract/lifecycle.ts'
import type { SystemResponse } from '../../contract/requests.ts'
import { known, missing } from '../../contract/known.ts'
import { createRegistry, type Registry } from '../registry/registry.ts'
import { busyWith, idleFor, madeAgent, madeSuspension } from '../registry/testing.ts'
import type { Backend } from './backend.ts'
import { createKeeper, type Keeper } from './keeper.ts'

const GUARD_PID = 77
const guardWith = (more: Partial<GuardStatus> = {}): GuardStatus => ({ running: true, pid: GUARD_PID, pssBytes: missing('not-measured'), runs: 0, agents: 0, words: [], ...more })
const can = { how: 'helper' as const, text: 'it can' }

let made: MadeRoot
let nowMs = 0
let registry: Registry
let events: Omit<LifecycleEvent, 'seq'>[]
let words: GuardWord[]
let calls: string[]
let held: SystemResponse<'Held'>
let keeper: Keeper
let backend: { -readonly [K in keyof Backend]: Backend[K] }

const [a, b] = [madeAgent(10), madeAgent(11)]
const freeze = (pid: number, frozen: boolean): void => made.put(`/cg/${pid}/cgroup.events`, `populated 1\nfrozen ${frozen ? 1 : 0}\n`)
const stateOf = (id: string) => registry.get(id)?.entry.state

beforeEach(() => {
  made = makeRoot()
  made.put(`/proc/${GUARD_PID}/task/${GUARD_PID}/comm`, 'guard')
  nowMs = 1_000_000
  events = []
  words = []
  calls = []
  held = { suspended: [], guard: guardWith(), limits: [], suspend: can, limit: can }
  backend = {
    suspend: async (agent, cause, mayAsk) => {
      calls.push(`suspend ${agent.processes[0]?.pid} ${cause} ${mayAsk ? 'may ask' : 'silent'}`)
      freeze(agent.processes[0]?.pid ?? 0, true)
      const suspension = madeSuspension(agent.id, nowMs, { cause })
      held = { ...held, suspended: [...held.suspended, suspension] }
      return ok(suspension)
    },
    resume: async (ids, cause) => {
      calls.push(`resume ${ids === null ? 'all' : ids.length} ${cause}`)
      const resumed = held.suspended.filter(({ agentId }) => ids === null || ids.includes(agentId))
      held = { ...held, suspended: held.suspended.filter((one) => !resumed.includes(one)) }
      return ok({ resumed: resumed.map(({ agentId, sinceMs }) => ({ agentId, cause, suspendedForMs: nowMs - sinceMs, prefaultedBytes: 0, tookMs: 3 })), left: [] })
    },
    held: async () => {
      calls.push('held')
      return ok(held)
    },
    limit: async () => fail('not-supported', 'no'),
    trim: async () => ok({ wonBytes: 5_000, tookMs: 1, stoppedBy: null }),
  }
  registry = createRegistry({ kept: { projects: [], agents: [], lastWordMs: 0 }, nowMs: () => nowMs, foundBy: () => 'discovered', onEvent: (event) => { events.push(event) } })
  registry.take([a, b], new Map([[a.id, idleFor(600_000)], [b.id, idleFor(300_000)]]))
  keeper = createKeeper({ backend, registry, root: made.root, nowMs: () => nowMs, lastWordMs: 0, onWord: (word) => { words.push(word) } })
})
afterEach(() => made.remove())

describe('suspending', () => {
  it('asks for one after the other, and answers for each', async () => {
    const answer = await keeper.suspend([a.id, b.id, `${a.id}9`], 'user', true)
    expect(calls).toEqual(['suspend 10 user may ask', 'suspend 11 user may ask'])
    expect(answer.suspended.map(({ agentId }) => agentId)).toEqual([a.id, b.id])
    expect(answer.left).toMatchObject([{ error: { code: 'process-gone' } }])
    expect([stateOf(a.id), stateOf(b.id)]).toEqual(['suspended', 'suspended'])
  })

  it.each(['tool', 'subagent', 'debugger', 'lock'] as const)('refuses a person too what must never be frozen: %s', async (reason) => {
    registry.take([a, b], new Map([[a.id, busyWith(reason, 'npm test runs')]]))
    const answer = await keeper.suspend([a.id], 'user', true)
    expect(answer.left).toMatchObject([{ agentId: a.id, error: { code: 'busy', message: 'It is not suspended: npm test runs.' } }])
    expect(calls).toEqual([])
  })

  it('refuses a pinned one, and takes one that only waits for its model when a person says so', async () => {
    registry.set({ id: a.id, pinned: true })
    expect((await keeper.suspend([a.id], 'user', true)).left).toMatchObject([{ error: { code: 'busy', advice: 'Unpin it first.' } }])
    registry.take([a, b], new Map([[b.id, busyWith('network')]]))
    expect((await keeper.suspend([b.id], 'user', true)).suspended).toHaveLength(1)
  })

  it('keeps why it failed with the agent, but not that a person closed the dialog or typed a key', async () => {
    backend.suspend = async () => fail('does-not-fit', 'no swap')
    await keeper.suspend([a.id], 'user', true)
    expect(registry.get(a.id)?.entry).toMatchObject({ state: 'idle', doing: null, problem: { code: 'does-not-fit' } })
    backend.suspend = async () => fail('authorization-dismissed', 'closed')
    await keeper.suspend([b.id], 'user', true)
    backend.suspend = async () => fail('cancelled', 'A key was typed.')
    await keeper.suspend([b.id], 'user', true)
    expect(registry.get(b.id)?.entry.problem).toBeNull()
  })

  it('knows whether a password is needed first', async () => {
    expect(keeper.facts().permission).toBeNull()
    backend.suspend = async () => fail('authorization-obtainable', 'a password is needed')
    await keeper.suspend([a.id], 'policy', false)
    expect(keeper.facts().permission).toBe('needed')
    backend.suspend = async (agent) => ok(madeSuspension(agent.id, nowMs))
    await keeper.suspend([a.id], 'user', true)
    expect(keeper.facts().permission).toBe('given')
  })
})

describe('what the guard does by itself', () => {
  it('a key wakes one: noticed by its cgroup, told with the word of the guard', async () => {
    await keeper.suspend([a.id, b.id], 'policy', false)
    await keeper.refresh()
    expect(keeper.check()).toBe(false)
    nowMs += 60_000
    freeze(10, false)
    expect(keeper.check()).toBe(true)
    const word: GuardWord = { atMs: nowMs, what: 'woke', text: 'A key was typed.', runId: null, agentId: a.id, uid: 1000 }
    held = { ...held, suspended: held.suspended.filter(({ agentId }) => agentId !== a.id), guard: guardWith({ words: [word] }) }
    await keeper.refresh()
    expect([stateOf(a.id), stateOf(b.id)]).toEqual(['active', 'suspended'])
    expect(events.at(-1)).toMatchObject({ resumed: { cause: 'key', suspendedForMs: 60_000 }, text: 'A key was typed.' })
    expect(words).toEqual([word])
    await keeper.refresh()
    expect(words).toHaveLength(1)
    expect(keeper.check()).toBe(false)
  })

  it('a guard that ended leaves nothing frozen', async () => {
    await keeper.suspend([a.id], 'policy', false)
    await keeper.refresh()
    made.end(GUARD_PID)
    expect(keeper.check()).toBe(true)
    held = { ...held, guard: guardWith({ running: false, pid: null }) }
    await keeper.refresh()
    expect(calls.at(-1)).toBe('resume all guard')
    expect(stateOf(a.id)).toBe('active')
  })

  it('a guard that /proc never showed is not missed', async () => {
    made.end(GUARD_PID)
    await keeper.suspend([a.id], 'policy', false)
    await keeper.refresh()
    expect(keeper.check()).toBe(false)
  })

  it('the system role is gone for good: what runs counts as running, what is frozen stays so', async () => {
    await keeper.suspend([a.id, b.id], 'policy', false)
    freeze(10, false)
    backend.held = async () => fail('helper-missing', 'The system helper is not installed.', { advice: 'Install it.' })
    await keeper.refresh()
    expect([stateOf(a.id), stateOf(b.id)]).toEqual(['active', 'suspended'])
    expect(keeper.facts().suspend).toEqual({ how: null, text: 'The system helper is not installed. Install it.' })
  })
})

describe('resuming', () => {
  it('all, with a cause; what could not be is told', async () => {
    await keeper.suspend([a.id, b.id], 'policy', false)
    expect((await keeper.resume(null, 'machine-sleep')).resumed).toHaveLength(2)
    expect(events.at(-1)).toMatchObject({ resumed: { cause: 'machine-sleep' } })
    await keeper.suspend([a.id], 'policy', false)
    backend.resume = async () => fail('helper-gone', 'gone')
    expect(await keeper.resume([a.id], 'user')).toMatchObject({ resumed: [], left: [{ agentId: a.id, error: { code: 'helper-gone' } }] })
    expect(registry.get(a.id)?.entry).toMatchObject({ state: 'suspended', doing: null })
  })

  it('does not wait for a suspension under way', async () => {
    await keeper.suspend([a.id], 'policy', false)
    const slow = Promise.withResolvers<undefined>()
    backend.suspend = async (agent) => {
      await slow.promise
      return ok(madeSuspension(agent.id, nowMs))
    }
    const suspending = keeper.suspend([b.id], 'policy', false)
    await keeper.resume([a.id], 'user')
    expect(stateOf(a.id)).toBe('active')
    expect(registry.get(b.id)?.entry.doing).toBe('suspending')
    slow.resolve(undefined)
    await suspending
    expect(stateOf(b.id)).toBe('suspended')
  })

  it('one that the guard woke a moment before is found out', async () => {
    await keeper.suspend([a.id], 'policy', false)
    held = { ...held, suspended: [] }
    await keeper.resume([a.id], 'user')
    expect(stateOf(a.id)).toBe('active')
  })
})

describe('adopting', () => {
  it('takes over what is held, and limits', async () => {
    const limit = { agentId: b.id, cgroup: '/cg/11', limits: { highBytes: 200_000_000 }, files: [], setAtMs: 1, state: 'holds' as const, watchUntilMs: 2, text: 'holds' }
    held = { ...held, suspended: [madeSuspension(a.id, 5)], limits: [limit, { ...limit, agentId: null }] }
    await keeper.refresh()
    expect(registry.get(a.id)?.entry).toMatchObject({ state: 'suspended', suspension: { sinceMs: 5 } })
    expect(registry.get(b.id)?.entry.limit).toEqual(limit)
    expect(keeper.facts().budget?.agentId).toBeNull()
  })

  it('sums up what trimming won', async () => {
    await keeper.trim(a.id, 1_000_000)
    await keeper.trim(a.id, 1_000_000)
    expect(registry.get(a.id)?.entry.trimmedBytes).toBe(10_000)
    expect(known(registry.get(a.id)?.entry.doing)).toEqual({ value: null })
  })
})
