import { describe, expect, test } from 'vitest'
import type { Agent, AgentCost } from './agents.ts'
import { known, missing } from './known.ts'
import { snapshotDelta, snapshotDeltaSchema, type DeltaInput, type SnapshotDelta } from './snapshot-delta.ts'
import type { Snapshot } from './snapshot.ts'

const BOOT = '00000000-0000-0000-0000-000000000001'
const idOf = (pid: number): string => `${BOOT}:${pid}:1`

/** An agent of `costBytes`, of which `fileBytes` are file-backed. */
const agent = (kind: string, pid: number, costBytes: number, more: Partial<AgentCost> = {}): Agent => ({
  id: idOf(pid), pid, startTimeTicks: 1, kind, title: kind.toUpperCase(), name: `p${pid}`, projectFolder: missing('not-permitted'), uid: 1000,
  state: 'idle', idleMs: known(60_000), ageMs: 1, cgroup: missing('not-measured'), ownCgroup: false, mergeable: missing('not-measured'),
  processes: [{ pid, startTimeTicks: 1, parentPid: 1, role: 'main', label: kind, comm: kind, kernelState: 'S', cpuMs: 0,
    memory: known({ pssBytes: costBytes, pssAnonBytes: missing('not-supported'), pssFileBytes: missing('not-supported'), pssShmemBytes: missing('not-supported'), swapPssBytes: 0, ussBytes: 0, rssBytes: 0 }) }],
  cost: { costBytes, pssBytes: costBytes, anonBytes: missing('not-supported'), fileBytes: missing('not-supported'), swapPssBytes: 0, compressedBytes: 0, diskSwapBytes: 0, ussBytes: 0, rssBytes: 0, unmeasured: 0, ...more },
})

const snapshot = (agents: readonly Agent[], more: Partial<Snapshot> = {}, availableBytes = 1000): Snapshot => ({
  version: 1, takenAtMs: 0, monotonicMs: 0, bootId: BOOT, kernelRelease: '6.12', privileged: true,
  machine: {
    memory: { totalBytes: 9000, freeBytes: 500, availableBytes, buffersBytes: 0, cachedBytes: 0, swapCachedBytes: 0, anonBytes: 0, shmemBytes: 0, dirtyBytes: 0, slabReclaimableBytes: 0, slabUnreclaimableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 },
    memoryPressure: missing('not-supported'), cpuPressure: missing('not-supported'), ioPressure: missing('not-supported'), swapDevices: [], ksm: missing('not-supported'), zswap: missing('not-supported'), zram: [],
    vm: { swapInPages: 0, swapOutPages: 0, majorFaults: 0, refaultAnonPages: missing('not-supported'), refaultFilePages: missing('not-supported'), oomKills: missing('not-supported') },
  },
  compressed: { poolBytes: 0, storedBytes: 0, poolPerStored: missing('not-measured') },
  agents: [...agents], counts: { seen: 0, kernelThreads: 0, vanished: 0, unreadable: 0, ofAgents: 0 }, tookMs: 1, cpuMs: 1, ...more,
})

const delta = (before: readonly (readonly Agent[])[], after: readonly Agent[], groups: Partial<Pick<DeltaInput, 'treated' | 'control'>> = {}): SnapshotDelta => {
  const answer = snapshotDelta({ before: before.map((agents) => snapshot(agents)), after: snapshot(after), treated: groups.treated ?? [], control: groups.control ?? [] })
  return snapshotDeltaSchema.parse(answer)
}
const row = (answer: SnapshotDelta, pid: number) => answer.agents.find((agent) => agent.id === idOf(pid))

describe('control group', () => {
  const groups = { treated: [idOf(1), idOf(2)], control: [idOf(3)] }

  test('what the control loses by itself is not counted as gain', () => {
    // The control shrinks by 10 %; the treated shrink from 600 to 240 where 540 was to be expected.
    const { total, kinds } = delta([[agent('a', 1, 400), agent('a', 2, 200), agent('a', 3, 100)]], [agent('a', 1, 160), agent('a', 2, 80), agent('a', 3, 90)], groups)
    expect(kinds[0]).toMatchObject({ treated: { count: 2, beforeBytes: 600, afterBytes: 240 }, control: { count: 1, beforeBytes: 100, afterBytes: 90 }, expectedAfterBytes: 540, gainBytes: 300 })
    expect(total).toMatchObject({ beforeBytes: 600, afterBytes: 240, expectedAfterBytes: 540, gainBytes: 300, gainPercent: { value: 55.6 }, controlled: 'all', verdict: 'gain' })
  })

  test('a control that grows makes standing still a gain, and growing faster a loss', () => {
    const before = [[agent('a', 1, 100), agent('a', 3, 100)]]
    expect(delta(before, [agent('a', 1, 100), agent('a', 3, 120)], groups).total).toMatchObject({ gainBytes: 20, verdict: 'gain' })
    expect(delta(before, [agent('a', 1, 150), agent('a', 3, 120)], groups).total).toMatchObject({ gainBytes: -30, verdict: 'loss' })
  })

  test('shrinking exactly as the control did is no gain', () => {
    expect(delta([[agent('a', 1, 400), agent('a', 3, 100)]], [agent('a', 1, 200), agent('a', 3, 50)], groups).total).toMatchObject({ gainBytes: 0, verdict: 'within-noise' })
  })

  test('each kind has its own control; one without is said to have none', () => {
    const answer = delta([[agent('a', 1, 100), agent('a', 3, 100), agent('b', 2, 500)]], [agent('a', 1, 50), agent('a', 3, 100), agent('b', 2, 400)], groups)
    expect(answer.kinds.map((kind) => [kind.kind, kind.control?.count ?? null, kind.gainBytes])).toEqual([['a', 1, 50], ['b', null, 100]])
    expect(answer.total).toMatchObject({ controlled: 'some', gainBytes: 150 })
  })

  test('a control that cost nothing before cannot predict anything', () => {
    const answer = delta([[agent('a', 1, 100), agent('a', 3, 0)]], [agent('a', 1, 60), agent('a', 3, 10)], groups)
    expect(answer.kinds[0]).toMatchObject({ control: null, expectedAfterBytes: 100, gainBytes: 40 })
    expect(answer.total.controlled).toBe('none')
  })

  test('a control that went away cannot either', () => {
    expect(delta([[agent('a', 1, 100), agent('a', 3, 100)]], [agent('a', 1, 60)], groups).total).toMatchObject({ controlled: 'none', gainBytes: 40 })
  })

  test('shared file pages that move to the account of the control are not a gain', () => {
    const file = (bytes: number) => ({ fileBytes: known(bytes) })
    // 60 file bytes leave the treated, 40 of them are now charged to the control alone.
    const answer = delta([[agent('a', 1, 200, file(100)), agent('a', 3, 200, file(100))]], [agent('a', 1, 140, file(40)), agent('a', 3, 240, file(140))], groups)
    expect(answer.kinds[0]).toMatchObject({ expectedAfterBytes: 160, gainBytes: 20 })
  })

  test('file pages that the control loses too are expected of the treated in proportion', () => {
    const file = (bytes: number) => ({ fileBytes: known(bytes) })
    const answer = delta([[agent('a', 1, 400, file(200)), agent('a', 3, 200, file(100))]], [agent('a', 1, 300, file(100)), agent('a', 3, 150, file(50))], groups)
    expect(answer.kinds[0]).toMatchObject({ expectedAfterBytes: 300, gainBytes: 0 })
  })

  test('agents that are neither treated nor control are shown, not counted', () => {
    const answer = delta([[agent('a', 1, 100), agent('a', 9, 100)]], [agent('a', 1, 100), agent('a', 9, 10)], { treated: [idOf(1)] })
    expect(row(answer, 9)).toMatchObject({ group: 'other', changeBytes: { value: -90 }, changePercent: { value: -90 } })
    expect(answer.total).toMatchObject({ beforeBytes: 100, gainBytes: 0 })
  })

  test('two snapshots by hand compare everybody', () => {
    const answer = delta([[agent('a', 1, 100), agent('b', 2, 100)]], [agent('a', 1, 80), agent('b', 2, 130)])
    expect(answer.agents.map((agent) => agent.group)).toEqual(['treated', 'treated'])
    expect(answer.total).toMatchObject({ gainBytes: -10, controlled: 'none', noiseBytes: { value: null } })
  })
})

describe('noise', () => {
  const groups = { treated: [idOf(1), idOf(2)], control: [idOf(3)] }

  test('is the drift between the two looks before, of the treated and, scaled, of the control', () => {
    const answer = delta(
      [[agent('a', 1, 390), agent('a', 2, 200), agent('a', 3, 102)], [agent('a', 1, 400), agent('a', 2, 200), agent('a', 3, 100)]],
      [agent('a', 1, 100), agent('a', 2, 100), agent('a', 3, 100)],
      groups,
    )
    expect(answer.total.noiseBytes).toEqual({ value: 10 + 2 * 6 })
    expect(row(answer, 1)?.noiseBytes).toEqual({ value: 10 })
  })

  test('jitters of agents cancel each other in the sum', () => {
    const answer = delta([[agent('a', 1, 90), agent('a', 2, 110)], [agent('a', 1, 100), agent('a', 2, 100)]], [agent('a', 1, 50), agent('a', 2, 50)])
    expect(answer.total.noiseBytes).toEqual({ value: 0 })
    expect(answer.agents.map((agent) => agent.noiseBytes)).toEqual([{ value: 10 }, { value: 10 }])
  })

  test('a gain no larger than the noise is within the noise, in both directions', () => {
    const looks = [[agent('a', 1, 110)], [agent('a', 1, 100)]]
    expect(delta(looks, [agent('a', 1, 90)]).total).toMatchObject({ gainBytes: 10, noiseBytes: { value: 10 }, verdict: 'within-noise' })
    expect(delta(looks, [agent('a', 1, 110)]).total.verdict).toBe('within-noise')
    expect(delta(looks, [agent('a', 1, 89)]).total.verdict).toBe('gain')
    expect(delta(looks, [agent('a', 1, 111)]).total.verdict).toBe('loss')
  })

  test('with one look before it is missing, never zero', () => {
    const answer = delta([[agent('a', 1, 100)]], [agent('a', 1, 50)])
    expect(answer.total.noiseBytes).toEqual({ value: null, reason: 'not-measured' })
    expect(answer.machine.every((figure) => figure.noiseBytes.value === null)).toBe(true)
  })

  test('of agents that only the second look saw it is missing, or that of the others in proportion', () => {
    expect(delta([[], [agent('a', 1, 100)]], [agent('a', 1, 50)]).total.noiseBytes.value).toBeNull()
    expect(delta([[agent('a', 1, 90)], [agent('a', 1, 100), agent('a', 2, 300)]], [agent('a', 1, 50), agent('a', 2, 300)]).total.noiseBytes).toEqual({ value: 40 })
  })

  test('of the machine is the difference of its figures', () => {
    const answer = snapshotDelta({ before: [snapshot([], {}, 1000), snapshot([], {}, 1040)], after: snapshot([], {}, 1500), treated: [], control: [] })
    expect(answer.machine.find((figure) => figure.id === 'available')).toMatchObject({ beforeBytes: { value: 1040 }, afterBytes: { value: 1500 }, changeBytes: { value: 460 }, noiseBytes: { value: 40 }, better: 'more' })
  })
})

describe('what cannot be compared', () => {
  test('agents that came or went are counted, shown with a gap, and gain nothing', () => {
    const answer = delta([[agent('a', 1, 100), agent('a', 2, 500)]], [agent('a', 1, 100), agent('a', 4, 300)])
    expect(answer).toMatchObject({ arrived: 1, left: 1 })
    expect(row(answer, 2)).toMatchObject({ beforeBytes: { value: 500 }, afterBytes: { value: null }, changeBytes: { value: null } })
    expect(row(answer, 4)).toMatchObject({ beforeBytes: { value: null }, afterBytes: { value: 300 }, changePercent: { value: null } })
    expect(answer.total).toMatchObject({ beforeBytes: 100, afterBytes: 100, gainBytes: 0 })
  })

  test('an agent with a process that one side could not measure gains nothing', () => {
    const answer = delta([[agent('a', 1, 100), agent('a', 2, 500)]], [agent('a', 1, 90), agent('a', 2, 100, { unmeasured: 1 })])
    expect(row(answer, 2)?.changeBytes.value).toBeNull()
    expect(answer.total.gainBytes).toBe(10)
  })

  test('another boot is said so and has no verdict', () => {
    const answer = snapshotDelta({ before: [snapshot([agent('a', 1, 100)])], after: snapshot([agent('a', 1, 10)], { bootId: 'other' }), treated: [], control: [] })
    expect(answer).toMatchObject({ comparable: false, total: { verdict: 'nothing-to-compare' } })
    expect(answer.incomparableReason).toMatch(/restarted/u)
  })

  test('another privilege is said so and has no verdict', () => {
    const answer = snapshotDelta({ before: [snapshot([agent('a', 1, 100)])], after: snapshot([agent('a', 1, 10)], { privileged: false }), treated: [], control: [] })
    expect(answer).toMatchObject({ comparable: false, total: { verdict: 'nothing-to-compare' } })
    expect(answer.incomparableReason).toMatch(/root/u)
  })

  test('no agents at all: nothing to compare, and no figure is made up', () => {
    expect(delta([[]], []).total).toEqual({ beforeBytes: 0, afterBytes: 0, expectedAfterBytes: 0, gainBytes: 0, gainPercent: { value: null, reason: 'not-measured' }, noiseBytes: { value: null, reason: 'not-measured' }, controlled: 'none', verdict: 'nothing-to-compare' })
  })

  test('no before-snapshot is a bug of the caller', () => {
    expect(() => snapshotDelta({ before: [], after: snapshot([]), treated: [], control: [] })).toThrow(/at least one before-snapshot/u)
  })

  test('a figure that this kernel lacks is missing, not zero', () => {
    expect(delta([[agent('a', 1, 1)]], [agent('a', 1, 1)]).machine.find((figure) => figure.id === 'ksm-profit')?.changeBytes.value).toBeNull()
  })
})
