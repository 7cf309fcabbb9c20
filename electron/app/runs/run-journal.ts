import { amount } from '../amounts.ts'
import type { JournalEntry } from '../../contract/diagnosis.ts'
import type { RunDetail } from '../../contract/views.ts'
import type { NewEntry, RunOrigin } from '../history/journal.ts'
import { headline, rateWords, stateWords } from '../report/words.ts'
import type { ShownPlan } from './planner.ts'

/** What the journal keeps of a run: that it was begun, by which plan, and what came of it. */

type Outcome = NonNullable<JournalEntry['outcome']>

const titles: Record<Outcome, string> = { kept: 'kept', undone: 'undone', failed: 'failed', 'no-gain': 'kept, but nothing was won' }

/** A rise of available memory that is no chance: more than the noise, and more than anybody would notice. */
const LEAST_RISE_BYTES = 64 * 1024 ** 2

/**
 * What was won: of agents beyond what those left alone changed by themselves;
 * where that is nothing, of the whole machine, which a setting can help
 * without agents costing less. Null where nobody can tell.
 */
const gainOf = ({ delta }: RunDetail): { of: 'agents' | 'machine'; bytes: number } | null => {
  if (delta === null || !delta.comparable) return null
  const { verdict, gainBytes } = delta.total
  const available = delta.machine.find((row) => row.id === 'available')
  const rise = available?.changeBytes.value ?? 0
  if (verdict !== 'gain' && rise > Math.max(LEAST_RISE_BYTES, available?.noiseBytes.value ?? 0)) return { of: 'machine', bytes: rise }
  return verdict === 'nothing-to-compare' ? null : { of: 'agents', bytes: gainBytes }
}

/** Below it nobody would notice, and a report rounds it to nothing. */
const LEAST_GAIN_BYTES = 1024 ** 2

/** Whether memory should have come free by the time it was measured; a setting or a new swap shows only later, or in less waiting. */
const isToFree = ({ record: { plan } }: RunDetail): boolean =>
  plan.steps.some(({ source, operation: { op }, target, new: next }) => op === 'reclaim' || op === 'prune-cache' || target.endsWith('/nr_hugepages') || (source === 'ksm' && target.endsWith('/run') && next === '1'))

const isNoGain = (detail: RunDetail): boolean => {
  const gain = gainOf(detail)
  const verdict = detail.delta?.total.verdict
  const rates = detail.delta?.rates?.verdict ?? null
  if (rates !== null) return rates !== 'better'
  return isToFree(detail) && gain?.of === 'agents' && (verdict === 'within-noise' || verdict === 'loss' || gain.bytes < LEAST_GAIN_BYTES)
}

/** Null while it is open, and for one that ended by a restart of the computer: nobody decided that. */
const outcomeOf = (detail: RunDetail): Outcome | null => {
  const { record } = detail
  switch (record.state) {
    case 'kept':
      return isNoGain(detail) ? 'no-gain' : 'kept'
    case 'undone':
    case 'partly-undone':
      return record.undoCause === 'restart' ? null : 'undone'
    case 'failed':
      return 'failed'
    case 'started':
    case 'applying':
    case 'settling':
    case 'waiting':
    case 'undoing':
      return null
  }
}

/** A gain within the noise is no figure to remember, except where it is the point that there was none. */
const figureOf = (detail: RunDetail, outcome: Outcome): number | null => {
  const gain = gainOf(detail)
  if (gain === null || outcome === 'failed') return null
  const isTold = gain.of === 'machine' || (outcome === 'no-gain' && (detail.delta?.rates?.verdict ?? null) === null) || ((detail.delta?.total.verdict === 'gain' || detail.delta?.total.verdict === 'loss') && Math.abs(gain.bytes) >= LEAST_GAIN_BYTES)
  return isTold ? Math.round(gain.bytes) : null
}

const wonText = (detail: RunDetail): string => {
  const gain = gainOf(detail)
  const rise = gain?.of === 'machine' ? ` Available memory of the machine rose by ${amount(gain.bytes)}.` : ''
  const rates = rateWords(detail.delta)
  // Without agents on both sides the headline only says so; where rates were watched they are the answer.
  return rates === '' ? `${headline({ kind: 'run', ...detail })}${rise}` : `${rates}${rise}`
}

export const actionEntry = (runId: string, { view, preset, from }: ShownPlan, nowMs: number): NewEntry => ({
  atMs: nowMs,
  kind: 'action',
  rule: from?.rule ?? null,
  subject: from?.subject ?? '',
  solution: from?.solution ?? null,
  presetId: preset.id,
  runId,
  title: `${preset.title}: tried`,
  text: view.plan.steps.map(({ target, old, new: next, why }) => `${target}: ${old === null ? '' : `${old} → `}${next}. ${why}`).join('\n'),
  outcome: null,
  gainBytes: null,
  kernelRelease: view.plan.kernelRelease,
})

/**
 * What came of it, and what it won. A run that was refused before its first step is no outcome.
 */
export const outcomeEntry = (detail: RunDetail, origin: RunOrigin | null, nowMs: number): NewEntry | null => {
  const { record } = detail
  const outcome = outcomeOf(detail)
  if (outcome === null || (outcome === 'failed' && record.steps.length === 0 && origin === null)) return null
  return {
    atMs: record.endedAtMs ?? nowMs,
    kind: 'outcome',
    rule: origin?.rule ?? null,
    subject: origin?.subject ?? '',
    solution: origin?.solution ?? null,
    presetId: record.presetId,
    runId: record.id,
    title: `${record.presetTitle}: ${titles[outcome]}`,
    text: [stateWords(record), outcome === 'failed' ? (record.error?.message ?? '') : wonText(detail)].filter((text) => text !== '').join(' '),
    outcome,
    gainBytes: figureOf(detail, outcome),
    kernelRelease: record.plan.kernelRelease,
  }
}
