import type { RunDetail } from '../../../electron/contract/views.ts'
import { nothingToUndo } from '../../../helper/contract/plan.ts'
import type { RateRow } from '../../../helper/contract/rate-delta.ts'
import { bytes, figure, percent, reading, signedBytes, withNoise } from '../../format/format.ts'

export interface ResultWords {
  tone: 'gain' | 'info' | 'problem'
  title: string
  text: string
}

const control = (controlled: 'all' | 'some' | 'none'): string =>
  controlled === 'all'
    ? 'Compared with agents of the same kinds that were left alone.'
    : controlled === 'some'
      ? 'Compared with agents left alone, where there was one of the kind.'
      : 'There was no agent to compare with: agents also shrink by themselves.'

type Op = RunDetail['record']['plan']['steps'][number]['operation']['op']

/** Dropping caches changes no agent: what it won is memory that became available. */
const pruned = (detail: RunDetail): ResultWords | null => {
  const available = detail.delta?.machine.find((row) => row.id === 'available')
  const change = available?.changeBytes.value ?? null
  if (available === undefined || change === null) return null
  const text = 'The cache fills again by itself as files are read.'
  return change > Math.max(0, available.noiseBytes.value ?? 0)
    ? { tone: 'gain', title: `${withNoise(change, available.noiseBytes)} more available`, text }
    : { tone: 'info', title: 'Nothing won beyond the noise of the measurement', text: `Available memory changed by ${signedBytes(change)}, which could be chance. ${text}` }
}

const rateTitles = { better: 'Programs wait less for memory', worse: 'Programs wait more for memory', 'no-difference': 'Programs wait for memory as before' } as const

/** How often programs have to wait, where that is what the run shows in: a setting of the kernel's own. */
export const waits = ({ delta }: RunDetail): { readonly row: RateRow; readonly text: (value: number) => string } | null => {
  const row = (delta?.rates?.verdict ?? null) === null ? undefined : delta?.rates?.rows.find(({ before, after }) => (before.value ?? 0) > 0 || (after.value ?? 0) > 0)
  return row === undefined ? null : { row, text: row.unit === 'percent' ? percent : (value) => `${figure(value)} a minute` }
}

const watched = (detail: RunDetail): ResultWords | null => {
  const verdict = detail.delta?.rates?.verdict ?? null
  const waiting = waits(detail)
  if (verdict === null || waiting === null) return null
  const { row, text: per } = waiting
  return { tone: verdict === 'better' ? 'gain' : verdict === 'worse' ? 'problem' : 'info', title: rateTitles[verdict], text: `${row.label}: ${reading(row.before, per)} before, ${reading(row.after, per)} after.` }
}

/** Runs whose result is not what agents cost, in words of their own; null for all others. */
const special = (detail: RunDetail): ResultWords | null => {
  const ops = new Set<Op>(detail.record.plan.steps.map((step) => step.operation.op))
  const verdict = detail.delta?.total.verdict
  if (ops.size === 1 && ops.has('prune-cache')) return pruned(detail)
  const waiting = watched(detail)
  if (waiting !== null) return waiting
  if (ops.has('reclaim')) return null
  // It changes what programs do from then on, and no agent that runs.
  if (ops.has('module-load')) return { tone: 'info', title: 'Kernel module is loaded', text: 'Programs that start from now on keep their units in it; what that saves stands on the Units page.' }
  const backing = detail.record.plan.steps.find(({ operation }) => operation.op === 'module-backing')?.operation
  if (backing?.op === 'module-backing' && ops.size === 1) return backing.sizeBytes === 0 ? { tone: 'info', title: 'Kernel module has no backing file', text: 'What was on it is in memory again, compressed.' } : { tone: 'info', title: 'Kernel module has its backing file', text: 'Units that nobody reads for two days go there.' }
  if (ops.has('module-unload') && ops.size === 1) return { tone: 'info', title: 'Kernel module is unloaded', text: 'Programs that start from now on keep their units in the broker.' }
  if (verdict === 'loss' && (ops.has('swap-off') || ops.has('ksm-unmerge')))
    return { tone: 'info', title: `Off; agents use ${bytes(-(detail.delta?.total.gainBytes ?? 0))} more again`, text: 'That is what it had been saving.' }
  // Agents shrink by themselves as well, and a layer for the whole machine has no control: a small gain now would not be its own.
  if ((verdict === 'within-noise' || verdict === 'gain') && ops.has('swap-on') && !detail.record.plan.steps.some((step) => step.source === 'ksm'))
    return { tone: 'info', title: 'Compressed swap is on', text: 'By itself it wins little: page out idle agents, or let memory get tight.' }
  return null
}

/** What a run gained, as one sentence that claims no more than was measured. */
export const resultWords = (detail: RunDetail | null): ResultWords => {
  const own = detail === null ? null : special(detail)
  if (own !== null) return own
  const total = detail?.delta?.total
  if (total === undefined) return { tone: 'info', title: 'Done; the gain was not measured', text: '' }
  switch (total.verdict) {
    case 'gain':
      return { tone: 'gain', title: `Won ${withNoise(total.gainBytes, total.noiseBytes)}`, text: control(total.controlled) }
    case 'loss':
      return { tone: 'problem', title: `Agents use ${withNoise(-total.gainBytes, total.noiseBytes)} more than before`, text: `${detail === null || nothingToUndo(detail.record.plan) ? '' : 'Undo is advised. '}${control(total.controlled)}` }
    case 'within-noise':
      return { tone: 'info', title: 'No gain beyond the noise of the measurement', text: `Measured ${signedBytes(-total.gainBytes)}, which could be chance. ${control(total.controlled)}` }
    case 'nothing-to-compare':
      return { tone: 'info', title: 'Done; there was no agent to compare', text: 'The settings are in place. No agent was there both before and after.' }
  }
}
