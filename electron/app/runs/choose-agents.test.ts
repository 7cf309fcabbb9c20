import { describe, expect, it } from 'vitest'
import type { Agent } from '../../../helper/contract/agents.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import { sampleAgent } from '../report/sample.ts'
import { chooseAgents, targetOf } from './choose-agents.ts'

const agent = (pid: number, kind: string, anonMib: number, changes: Partial<Agent> = {}): Agent => ({
  ...sampleAgent({ kind, title: kind, name: `p${pid}`, pid, folder: '/p', anonMib, fileMib: 10 }),
  ...changes,
})
const reclaim = { reclaim: { minIdleMs: 60_000 } }
const wish = { keepControl: true, agentIds: null }
const pids = (agents: readonly Agent[]): number[] => agents.map((one) => one.pid).toSorted((a, b) => a - b)

describe('choosing agents', () => {
  const three = [agent(1, 'claude', 100), agent(2, 'claude', 300), agent(3, 'claude', 200)]

  it('leaves the median one of three of a kind alone', () => {
    const choice = chooseAgents(three, reclaim, wish)
    expect(pids(choice.control)).toEqual([3])
    expect(pids(choice.treated)).toEqual([1, 2])
  })

  it('leaves none alone where there are two of a kind, or where the user does not want it', () => {
    expect(chooseAgents(three.slice(0, 2), reclaim, wish)).toMatchObject({ control: [] })
    expect(chooseAgents(three, reclaim, { ...wish, keepControl: false }).control).toEqual([])
  })

  it('takes no suspended one, neither to treat nor to compare with, unless it was named', () => {
    const frozen = agent(7, 'claude', 200, { state: 'suspended' })
    const choice = chooseAgents([...three.slice(0, 2), frozen], reclaim, wish)
    expect(pids(choice.treated)).toEqual([1, 2])
    expect(choice.control).toEqual([])
    expect(pids(chooseAgents([frozen], reclaim, { ...wish, agentIds: [frozen.id] }).treated)).toEqual([7])
  })

  it('counts only idle ones towards the three', () => {
    const busy = agent(4, 'claude', 150, { state: 'active', idleMs: known(0) })
    const fresh = agent(5, 'claude', 150, { idleMs: missing('not-measured') })
    const recent = agent(6, 'claude', 150, { idleMs: known(59_999) })
    const choice = chooseAgents([...three.slice(0, 2), busy, fresh, recent], reclaim, wish)
    expect(pids(choice.treated)).toEqual([1, 2])
    expect(choice.control).toEqual([])
  })

  it('takes kinds apart', () => {
    const choice = chooseAgents([...three, agent(7, 'gemini', 100), agent(8, 'gemini', 100)], reclaim, wish)
    expect(pids(choice.control)).toEqual([3])
    expect(pids(choice.treated)).toEqual([1, 2, 7, 8])
  })

  it('has no control for layers that act on the whole machine', () => {
    const choice = chooseAgents([...three, agent(9, 'claude', 50, { state: 'active', idleMs: known(0) })], { ksm: { mode: 'merge' } }, wish)
    expect(pids(choice.treated)).toEqual([1, 2, 3, 9])
    expect(choice.control).toEqual([])
  })

  it('never counts those that are gone', () => {
    expect(chooseAgents([agent(1, 'claude', 100, { state: 'gone' })], {}, wish).treated).toEqual([])
  })

  it('takes named ones as named, busy or not, and a named control out of the treated', () => {
    const ids = three.map((one) => one.id)
    expect(pids(chooseAgents(three, reclaim, { keepControl: true, agentIds: ids }).treated)).toEqual([1, 2, 3])
    const choice = chooseAgents(three, reclaim, { keepControl: true, agentIds: null, controlIds: [ids[0] ?? ''] })
    expect(pids(choice.control)).toEqual([1])
    expect(pids(choice.treated)).toEqual([2, 3])
  })

  it('takes those idle for as long as the settings say for an action nobody named agents for, and any that was named', () => {
    const pageOut = { reclaim: { minIdleMs: 0 } }
    const busy = agent(4, 'claude', 150, { state: 'active', idleMs: known(0) })
    const recent = agent(5, 'claude', 150, { idleMs: known(60_000) })
    const all = [...three, busy, recent]
    const action = { ...wish, idleAfterMs: 120_000 }
    expect(pids(chooseAgents(all, pageOut, action).treated)).toEqual([1, 2])
    expect(pids(chooseAgents(all, pageOut, action).control)).toEqual([3])
    const named = chooseAgents(all, pageOut, { ...action, agentIds: [...three, busy].map((one) => one.id) })
    expect(pids(named.treated)).toEqual([1, 2, 3, 4])
    expect(named.control).toEqual([])
  })

  it('names every process with its start time', () => {
    expect(targetOf(agent(11, 'claude', 100))).toMatchObject({ kind: 'claude', idleMs: 1_380_000, processes: [{ pid: 11, startTimeTicks: 110 }] })
  })
})
