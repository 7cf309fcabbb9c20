import { describe, expect, it } from 'vitest'
import { defaultPolicy, type Policy, type RegistryEntry } from '../../contract/lifecycle.ts'
import { createRegistry, type AgentRecord } from '../registry/registry.ts'
import { busyWith, idleFor, madeAgent } from '../registry/testing.ts'
import { chooseToSuspend, idleNeeded, suspendsAt, type Conditions } from './choose.ts'

const policy: Policy = { ...defaultPolicy, suspend: { auto: true, afterIdleMs: 600_000 } }
const nowMs = 10_000_000
const roomy: Conditions = { nowMs, availableBytes: 8e9, totalBytes: 16e9, failedAtMs: new Map() }

const record = (pid: number, idleMs: number, more: Partial<RegistryEntry> = {}, lastWakeMs: number | null = null): AgentRecord => {
  const agent = madeAgent(pid)
  const registry = createRegistry({ kept: { projects: [], agents: [], lastWordMs: 0 }, nowMs: () => nowMs, foundBy: () => 'discovered', onEvent: () => undefined })
  registry.take([agent], new Map([[agent.id, idleFor(idleMs)]]))
  const made = registry.get(agent.id)
  if (made === null) throw new Error('no record')
  Object.assign(made.entry, more)
  made.lastWakeMs = lastWakeMs
  return made
}
const pidOf = (records: AgentRecord[], conditions = roomy, by = policy): number | undefined => chooseToSuspend(records, by, conditions)?.agent.pid

describe('which agent is suspended', () => {
  it('the least important first, then the one idle longest', () => {
    expect(pidOf([record(1, 900_000), record(2, 700_000, { importance: 10 }), record(3, 800_000, { importance: 10 })])).toBe(3)
  })

  it('none before its time, pinned, busy for any reason, under way, or with the policy off', () => {
    expect(pidOf([record(1, 599_000)])).toBeUndefined()
    expect(pidOf([record(1, 900_000, { pinned: true })])).toBeUndefined()
    expect(pidOf([record(1, 900_000, { doing: 'trimming' })])).toBeUndefined()
    expect(pidOf([record(1, 900_000)], roomy, defaultPolicy)).toBeUndefined()
    for (const reason of ['hook', 'cpu', 'network', 'tool', 'lock', 'not-measured', 'starting'] as const) {
      expect(pidOf([record(1, 900_000, { activity: busyWith(reason) })]), reason).toBeUndefined()
      expect(pidOf([record(1, 900_000, { activity: { ...idleFor(900_000), reasons: busyWith(reason).reasons } })]), reason).toBeUndefined()
    }
    expect(pidOf([record(1, 900_000, { state: 'active' })])).toBeUndefined()
  })

  it('not within two minutes of a wake, nor soon after a try that failed', () => {
    const woken = record(1, 900_000, {}, nowMs - 60_000)
    expect(pidOf([woken])).toBeUndefined()
    expect(suspendsAt(woken, policy, roomy)).toBe(nowMs + 60_000)
    const failing = record(2, 900_000)
    expect(pidOf([failing], { ...roomy, failedAtMs: new Map([[failing.entry.id, nowMs - 60_000]]) })).toBeUndefined()
    expect(pidOf([failing], { ...roomy, failedAtMs: new Map([[failing.entry.id, nowMs - 400_000]]) })).toBe(2)
  })

  it('says when it will be', () => {
    expect(suspendsAt(record(1, 100_000), policy, roomy)).toBe(nowMs + 500_000)
    expect(suspendsAt(record(1, 100_000, { pinned: true }), policy, roomy)).toBeNull()
  })

  it('earlier where memory runs short, and never in less than half a minute', () => {
    const scarce = { ...roomy, availableBytes: 1e9 }
    expect(idleNeeded(policy, roomy)).toBe(600_000)
    expect(idleNeeded(policy, scarce)).toBe(150_000)
    expect(idleNeeded({ ...policy, suspend: { auto: true, afterIdleMs: 60_000 } }, scarce)).toBe(30_000)
    expect(pidOf([record(1, 200_000)], scarce)).toBe(1)
    expect(pidOf([record(1, 200_000)], scarce, defaultPolicy)).toBeUndefined()
  })
})
