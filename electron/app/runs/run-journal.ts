import type { JournalEntry } from '../../contract/diagnosis.ts'
import type { RunDetail } from '../../contract/views.ts'
import type { NewEntry, RunOrigin } from '../history/journal.ts'
import { headline, stateWords } from '../report/words.ts'
import type { ShownPlan } from './planner.ts'

/** What the journal keeps of a run: that it was begun, by which plan, and what came of it. */

type Outcome = NonNullable<JournalEntry['outcome']>

const titles: Record<Outcome, string> = { kept: 'kept', undone: 'undone', failed: 'failed', 'no-gain': 'kept, but nothing was won' }

/** Null while it is open, and for one that ended by a restart of the computer: nobody decided that. */
const outcomeOf = ({ record, delta }: RunDetail): Outcome | null => {
  switch (record.state) {
    case 'kept':
      return delta !== null && (delta.total.verdict === 'within-noise' || delta.total.verdict === 'loss') ? 'no-gain' : 'kept'
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
 * What came of it, with the gain beyond what agents left alone changed by
 * themselves. A run that was refused before its first step is no outcome.
 */
export const outcomeEntry = (detail: RunDetail, origin: RunOrigin | null, nowMs: number): NewEntry | null => {
  const { record, delta } = detail
  const outcome = outcomeOf(detail)
  if (outcome === null || (outcome === 'failed' && record.steps.length === 0 && origin === null)) return null
  const isMeasured = delta !== null && delta.total.verdict !== 'nothing-to-compare' && outcome !== 'failed'
  return {
    atMs: record.endedAtMs ?? nowMs,
    kind: 'outcome',
    rule: origin?.rule ?? null,
    subject: origin?.subject ?? '',
    solution: origin?.solution ?? null,
    presetId: record.presetId,
    runId: record.id,
    title: `${record.presetTitle}: ${titles[outcome]}`,
    text: [stateWords(record), outcome === 'failed' ? (record.error?.message ?? '') : headline({ kind: 'run', record, delta })].filter((text) => text !== '').join(' '),
    outcome,
    gainBytes: isMeasured ? Math.round(delta.total.gainBytes) : null,
    kernelRelease: record.plan.kernelRelease,
  }
}
