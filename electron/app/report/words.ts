import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import { isOpen } from '../../../helper/contract/runs.ts'
import type { RunDetail } from '../../contract/views.ts'
import { bytesText, durationText, noiseFigure, percentText, plural, rateText, unitFor } from './format.ts'
import type { Privacy } from './privacy.ts'
import type { ReportSubject } from './subject.ts'

/** The sentences of a report, each from the figures of its delta. */

const VERDICTS: Record<SnapshotDelta['total']['verdict'], string> = { gain: 'Gain', loss: 'Loss', 'within-noise': 'Within the noise', 'nothing-to-compare': 'Nothing to compare' }

export const verdictWord = (verdict: SnapshotDelta['total']['verdict']): string => VERDICTS[verdict]

const countedAgents = (delta: SnapshotDelta): number => delta.kinds.reduce((sum, kind) => sum + kind.treated.count, 0)

/** One sentence with the figure and its noise. */
export const headline = ({ kind, delta }: ReportSubject): string => {
  if (delta === null) return 'This run was never measured: it ended before the second look.'
  const { total } = delta
  if (total.verdict === 'nothing-to-compare') {
    return delta.incomparableReason === null ? 'No agent was there on both sides, so there is nothing to compare.' : `These two sides cannot be compared. ${delta.incomparableReason}`
  }
  const noise = total.noiseBytes.value
  const gain = Math.abs(total.gainBytes)
  const unit = unitFor([total.gainBytes])
  const plusMinus = noise === null ? '' : ` ± ${noiseFigure(noise, unit)}`
  const amount = `${bytesText(gain, noise, unit).replace(` ${unit}`, '')}${plusMinus} ${unit}`
  const who = plural(countedAgents(delta), 'agent')
  const share = total.gainPercent.value === null ? '' : `, ${percentText({ value: Math.abs(total.gainPercent.value) })} of what ${kind === 'run' ? 'they would cost otherwise' : 'they cost before'}`
  if (total.verdict === 'within-noise') return `No difference that can be told from noise: ${amount} over ${who}.`
  if (total.verdict === 'gain') return kind === 'run' ? `${amount} won from ${who}${share}.` : `${who} cost ${amount} less than before${share}.`
  return kind === 'run' ? `${amount} lost: ${who} cost more than they would otherwise${share}.` : `${who} cost ${amount} more than before${share}.`
}

const RATE_VERDICTS = { better: 'It helped.', worse: 'It was worse afterwards.', 'no-difference': 'No difference that can be told from chance.' } as const

/** How often programs had to wait before and after, where that was watched; empty where it was not, or nobody had to. */
export const rateWords = (delta: SnapshotDelta | null): string => {
  const rates = delta?.rates
  if (rates === undefined || rates.verdict === null) return ''
  const rows = rates.rows.filter(({ before, after }) => (before.value ?? 0) > 0 || (after.value ?? 0) > 0)
  return `${rows.map(({ label, unit, before, after }) => `${label}: ${rateText(before, unit)} before, ${rateText(after, unit)} after.`).join(' ')} Watched for ${durationText(rates.beforeMs)} and ${durationText(rates.afterMs)}. ${RATE_VERDICTS[rates.verdict]}`
}

/** What was left alone, in one sentence. */
export const controlWords = ({ kind, delta }: ReportSubject): string => {
  if (delta === null || kind === 'comparison') return ''
  const count = delta.kinds.reduce((sum, row) => sum + (row.control?.count ?? 0), 0)
  const without = delta.kinds.filter((row) => row.control === null).map((row) => row.title)
  if (delta.total.controlled === 'none') return 'No agent was left alone as a control, so what agents change by themselves is part of the figure.'
  const were = `${plural(count, 'agent')} ${count === 1 ? 'was' : 'were'} left alone as a control`
  return delta.total.controlled === 'all'
    ? `${were}; what the control changed by itself is not counted as gain.`
    : `${were}. ${without.join(' and ')} had none: what those agents changed by themselves is part of the figure.`
}

const STATES: Record<RunDetail['record']['state'], string> = {
  started: 'The run has begun.',
  applying: 'The run is being applied.',
  settling: 'The run is applied and settling.',
  waiting: 'The run waits to be kept; without an answer it is undone.',
  kept: 'The change was kept.',
  undoing: 'The run is being undone.',
  undone: 'The change was undone; the figures are those from before the undoing.',
  'partly-undone': 'The change was undone as far as possible; the lines below say what was left alone.',
  failed: 'A step failed and the earlier ones were taken back.',
}

export const stateWords = (record: RunDetail['record']): string => STATES[record.state]

/** A failure without the terms that only its caller needs. */
export const failureText = (failure: Failure, privacy: Privacy): string => privacy.text([failure.message, failure.advice].filter((part) => part !== undefined).join(' '))

/** What a reader must know before trusting the figure. */
export const warningsOf = (subject: ReportSubject, privacy: Privacy): string[] => {
  const { delta } = subject
  const warnings: string[] = []
  if (subject.kind === 'run') {
    if (subject.record.error !== null) warnings.push(failureText(subject.record.error, privacy))
    if (isOpen(subject.record.state)) warnings.push('This run is not finished yet; its figures may change.')
  }
  if (delta === null) return warnings
  if (!delta.comparable && delta.incomparableReason !== null) warnings.push(delta.incomparableReason)
  if (delta.total.noiseBytes.value === null && delta.total.verdict !== 'nothing-to-compare') {
    warnings.push('The noise of this measurement is not known: only one look was taken before. Small differences mean nothing.')
  }
  if (delta.arrived > 0 || delta.left > 0) warnings.push(`${plural(delta.arrived, 'agent')} came and ${plural(delta.left, 'agent')} went in between; they are listed, not counted.`)
  return warnings
}
