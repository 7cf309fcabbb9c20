import type { BusyReason } from '../../contract/lifecycle.ts'
import { missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import type { ProcessStat } from '../../observe/process.ts'
import { TICK_MS } from '../../observe/kernel.ts'
import { createIdleWatch } from '../idle.ts'
import { createActivityJudge, type ActivityJudge } from './decide.ts'
import type { Sample } from './sample.ts'

/** What a rule says about one sample: `idleMs` null while the agent may not be suspended. */
export interface Verdict {
  readonly id: string
  readonly atMs: number
  readonly idleMs: number | null
  readonly reasons: readonly BusyReason[]
}

/**
 * product: what the registry decides by. cpu-and-tools: the product's rule
 * before it looked at anything else. cpu: CPU time of the tree alone, as
 * service managers and desktops judge idleness.
 */
export const ruleNames = ['product', 'cpu-and-tools', 'cpu'] as const
export type RuleName = (typeof ruleNames)[number]

export type Rule = (sample: Sample) => Verdict

const byProduct = (idleCpuPercentOf: (kind: string) => number | undefined): Rule => {
  const judges = new Map<string, ActivityJudge>()
  return (sample) => {
    const judge = judges.get(sample.id) ?? createActivityJudge({ idleCpuPercent: idleCpuPercentOf(sample.kind) })
    judges.set(sample.id, judge)
    const { idle, idleMs, reasons } = judge.look(sample, { hook: null, pinned: false })
    return { id: sample.id, atMs: sample.atMs, idleMs: idle ? idleMs.value : null, reasons: reasons.map(({ reason }) => reason) }
  }
}

const byCpuAndTools = (idleCpuPercentOf: (kind: string) => number | undefined): Rule => {
  const watch = createIdleWatch()
  return (sample) => {
    const idleCpuPercent = idleCpuPercentOf(sample.kind)
    const members = sample.processes.map((process) => {
      const stat: ProcessStat = { ...process, processGroup: 0, session: 0, terminal: 0, kernelThread: false, argumentsAt: '0' }
      return { stat, identity: null, role: process.role, label: process.label }
    })
    const [first] = members
    const idleMs: Reading = first === undefined
      ? missing('not-measured')
      : watch.look(sample.id, { signature: { kind: sample.kind, title: sample.kind, match: [], ...(idleCpuPercent === undefined ? {} : { idleCpuPercent }) }, top: first.stat, members, holdsAgents: sample.holdsAgents }, sample.monotonicMs).idleMs
    return { id: sample.id, atMs: sample.atMs, idleMs: idleMs.value !== null && idleMs.value > 0 ? idleMs.value : null, reasons: idleMs.value === 0 ? ['cpu'] : [] }
  }
}

/** Above this share of one core from one look to the next an agent counts as busy by CPU alone: what the busiest prompt takes. */
const CPU_PERCENT = 5

const byCpu = (): Rule => {
  const last = new Map<string, { atMs: number; cpuMs: number; quietSinceMs: number }>()
  return (sample) => {
    const atMs = sample.monotonicMs
    const cpuMs = sample.processes.reduce((sum, process) => sum + process.cpuTicks + process.endedChildrenTicks, 0) * TICK_MS
    const before = last.get(sample.id)
    const busy = before === undefined || cpuMs - before.cpuMs > ((atMs - before.atMs) * CPU_PERCENT) / 100
    const quietSinceMs = busy ? atMs : before.quietSinceMs
    last.set(sample.id, { atMs, cpuMs, quietSinceMs })
    return { id: sample.id, atMs: sample.atMs, idleMs: busy ? null : atMs - quietSinceMs, reasons: busy ? ['cpu'] : [] }
  }
}

/** Judges samples in their order, of one or of several agents. */
export const createRule = (name: RuleName, idleCpuPercentOf: (kind: string) => number | undefined): Rule => {
  switch (name) {
    case 'product': return byProduct(idleCpuPercentOf)
    case 'cpu-and-tools': return byCpuAndTools(idleCpuPercentOf)
    case 'cpu': return byCpu()
  }
}
