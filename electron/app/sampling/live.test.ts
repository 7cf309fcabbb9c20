import { describe, expect, it } from 'vitest'
import { known, missing } from '../../../helper/contract/known.ts'
import { liveSchema } from '../../contract/views.ts'
import { sampleEntry, sampleRegistry, sampleSuspension } from '../lifecycle/sample.ts'
import { sampleSnapshot, type SampleAgent } from '../report/sample.ts'
import { arrivals, agentSamples, machineSample } from './history-feed.ts'
import { helperState } from './helper-state.ts'
import { makeLive, type LiveInput } from './live.ts'
import { nextWaitMs } from './sampler.ts'

const MIB = 1024 * 1024
const claude = (pid: number, anonMib: number, swappedMib = 0): SampleAgent => ({ kind: 'claude', title: 'Claude Code', name: `p${pid}`, pid, folder: '/p', anonMib, fileMib: 0, swappedMib })
const input = (agents: SampleAgent[], changes: Partial<LiveInput> = {}): LiveInput => {
  const snapshot = sampleSnapshot({ takenAtMs: 1_000, agents, availableGib: 8 })
  return {
    atMs: 2_000,
    machine: snapshot.machine,
    agents: snapshot.agents,
    counts: snapshot.counts,
    agentsMeasuredAtMs: 1_000,
    compressed: snapshot.compressed,
    registry: null,
    idleAfterMs: 120_000,
    keepControl: true,
    helper: helperState({ system: 'ready', systemVersion: '0.1.0' }, 'ready', null),
    progress: null,
    ...changes,
  }
}

describe('live state', () => {
  it('fits the contract and sums up', () => {
    const live = makeLive(input([claude(1, 100), claude(2, 200), claude(3, 300)]))
    expect(liveSchema.parse(live)).toBeTruthy()
    expect(live.totals).toMatchObject({ agentsCount: 3, idleCount: 3, agentsCostBytes: 600 * MIB, roomFor: { value: Math.floor((8 * 1024) / 200) } })
  })

  it('estimates by a cautious share while the pool tells nothing, and says so', () => {
    const { totals } = makeLive(input([claude(1, 1000), claude(2, 1000)]))
    expect(totals.couldGetBackBytes).toEqual({ value: Math.round(2000 * MIB * 0.94 * 0.55) })
    expect(totals.couldGetBackBasis).toContain('other machines')
    expect(totals.roomForAfter.value).toBeGreaterThan(totals.roomFor.value ?? 0)
  })

  it('estimates by this machine once its pool holds enough', () => {
    const { totals } = makeLive(input([claude(1, 1000)], { compressed: { poolBytes: 50 * MIB, storedBytes: 100 * MIB, poolPerStored: known(0.5) } }))
    expect(totals.couldGetBackBytes).toEqual({ value: 1000 * MIB * 0.94 * 0.5 })
    expect(totals.couldGetBackBasis).toContain('50 % compressed')
    expect(totals.couldGetBackBasis).toContain('this machine')
  })

  it('promises nothing from agents that are left alone to compare with', () => {
    const three = [claude(1, 1000), claude(2, 1000), claude(3, 1000)]
    expect(makeLive(input(three)).totals.couldGetBackBytes).toEqual({ value: Math.round(2000 * MIB * 0.94 * 0.55) })
    expect(makeLive(input(three)).totals.couldGetBackBasis).toContain('1 more is left alone')
    expect(makeLive(input(three, { keepControl: false })).totals.couldGetBackBytes).toEqual({ value: Math.round(3000 * MIB * 0.94 * 0.55) })
  })

  it('has one meaning of idle in states and totals, the one of the settings', () => {
    const base = input([claude(1, 100), claude(2, 100), claude(3, 100)])
    const idleMs = [60_000, 119_999, 120_000]
    const agents = base.agents.map((agent, i) => ({ ...agent, state: 'idle' as const, idleMs: known(idleMs[i] ?? 0) }))
    const live = makeLive({ ...base, agents })
    expect(live.agents.map(({ state }) => state)).toEqual(['active', 'active', 'idle'])
    expect(live.totals.idleCount).toBe(1)
  })

  it('counts suspended ones apart, with what they won, and promises nothing more from them', () => {
    const base = input([claude(1, 1000), claude(2, 1000)])
    const [first, second] = base.agents
    if (first === undefined || second === undefined) throw new Error('two agents')
    const registry = sampleRegistry([sampleEntry(first, { state: 'suspended', suspension: sampleSuspension(first) }), sampleEntry(second)])
    const live = makeLive({ ...base, registry })
    expect(liveSchema.parse(live).agents.map(({ state }) => state)).toEqual(['suspended', 'idle'])
    expect(live.totals).toMatchObject({ idleCount: 1, suspendedCount: 1, suspendedWonBytes: { value: sampleSuspension(first).wonBytes }, couldGetBackBytes: { value: Math.round(1000 * MIB * 0.94 * 0.55) } })
    expect(makeLive(base).totals).toMatchObject({ suspendedCount: 0, suspendedWonBytes: { value: null } })
  })

  it('has gaps instead of zeros when nothing is known', () => {
    expect(makeLive(input([])).totals).toMatchObject({ couldGetBackBytes: { value: null }, roomFor: { value: null }, roomForAfter: { value: null } })
    const noAnon = input([claude(1, 100)])
    const agents = noAnon.agents.map((agent) => ({ ...agent, cost: { ...agent.cost, anonBytes: missing('not-supported') } }))
    expect(makeLive({ ...noAnon, agents }).totals.couldGetBackBytes.value).toBeNull()
  })

  it('expects nothing back from agents at work, and counts no unmeasured one as free of cost', () => {
    const base = input([claude(1, 100), claude(2, 300)])
    const [first, second] = base.agents
    if (first === undefined || second === undefined) throw new Error('two agents')
    const busy = { ...first, state: 'active' as const, idleMs: known(0) }
    const fresh = { ...second, state: 'active' as const, idleMs: missing('not-measured'), cost: { ...second.cost, costBytes: 0, unmeasured: second.processes.length } }
    const { totals } = makeLive({ ...base, agents: [busy, fresh] })
    expect(totals.couldGetBackBytes).toEqual({ value: 0 })
    expect(totals.roomFor).toEqual({ value: Math.floor((8 * 1024) / 100) })
    expect(agentSamples([busy, fresh]).map((sample) => sample.id)).toEqual([busy.id])
  })
})

describe('feeding history', () => {
  it('tells who came and who went, and nobody at the first look', () => {
    const { agents } = sampleSnapshot({ takenAtMs: 0, agents: [claude(1, 1), claude(2, 1)], availableGib: 1 })
    expect(arrivals(null, agents)).toEqual({ appeared: [], gone: [] })
    expect(arrivals(agents.slice(0, 1), agents.slice(1))).toEqual({ appeared: agents.slice(1), gone: agents.slice(0, 1) })
    const gone = agents.map((agent) => ({ ...agent, state: 'gone' as const }))
    expect(arrivals(agents, gone).gone).toEqual(agents)
  })

  it('keeps a missing pool and missing pressure apart from zero', () => {
    const { machine } = sampleSnapshot({ takenAtMs: 0, agents: [], availableGib: 1 })
    expect(machineSample({ ...machine, memoryPressure: missing('not-supported') }, null)).toMatchObject({ compressedBytes: null, pressurePercent: null, agentsCostBytes: null })
  })

  it('looks less often where looking costs more', () => {
    expect(nextWaitMs(2_000, 5, 0.01)).toBe(2_000)
    expect(nextWaitMs(2_000, 300, 0.01)).toBe(30_000)
  })
})

describe('helper state', () => {
  it('has a sentence for every trouble and none when all is well', () => {
    expect(helperState({ system: 'ready', systemVersion: '1' }, 'ready', null).advice).toBe('')
    for (const system of ['not-installed', 'no-bus', 'unreachable', 'too-old'] as const) {
      expect(helperState({ system, systemVersion: null }, 'ready', null).advice).toMatch(/\.$/u)
    }
    expect(helperState({ system: 'ready', systemVersion: '1' }, 'unreachable', { code: 'helper-gone', message: 'It ended.' }).advice).toContain('It ended.')
  })
})
