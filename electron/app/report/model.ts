import type { Step } from '../../../helper/contract/plan.ts'
import type { AgentDelta, SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { RunDetail, SnapshotInfo } from '../../contract/views.ts'
import { CAUSES } from '../history/lifecycle-words.ts'
import { findingRows, type FindingRow } from './findings.ts'
import { createPrivacy, type Privacy } from './privacy.ts'
import { bytesText, durationText, timeText } from './format.ts'
import type { ReportSubject } from './subject.ts'
import { movedBetween } from './suspended.ts'
import { controlWords, failureText, headline, rateWords, stateWords, verdictWord, warningsOf } from './words.ts'

/** `label` is the name to show: the agent's own or, where names stay out, kind and number. */
export type AgentRow = AgentDelta & { label: string }

/** States are the words of the window; "not known" where the history does not reach back. */
export interface SuspendedRow {
  label: string
  before: string
  after: string
  times: number
  suspendedMs: number
  wonBytes: number
  wokenBy: string
}

export interface StepRow {
  number: number
  source: string
  target: string
  old: string | null
  new: string
  readBack: string | null
  outcome: string
  why: string
  undo: string
}

/** Everything a report says, private things already gone: formats only lay it out. */
export interface ReportModel {
  subject: ReportSubject
  privacy: Privacy
  madeAtMs: number
  title: string
  subtitle: string
  verdict: SnapshotDelta['total']['verdict']
  verdictWord: string
  headline: string
  control: string
  state: string
  warnings: string[]
  delta: SnapshotDelta | null
  agents: AgentRow[]
  suspended: SuspendedRow[]
  /** Null where nobody looked at that time. */
  findings: { atMs: number; rows: FindingRow[] } | null
  steps: StepRow[]
  skipped: { what: string; reason: string }[]
  notes: string[]
  undo: { target: string; old: string | null; found: string | null; outcome: string; reason: string }[]
  facts: { label: string; value: string }[]
  measured: string[]
}

const SOURCES: Record<Step['source'], string> = {
  'shared-memory': 'shared memory',
  'mapped-store': 'mapped store',
  'compressed-swap': 'compressed swap',
  ksm: 'merging equal pages (KSM)',
  'kernel-module': 'kernel module',
  'prune-cache': 'cache pruning',
  reclaim: 'paging out idle agents',
  tunables: 'memory settings of the kernel',
}

const stepRows = (record: RunDetail['record'], privacy: Privacy): StepRow[] =>
  record.plan.steps.map((step) => {
    const done = record.steps.find((outcome) => outcome.number === step.number)
    return {
      number: step.number,
      source: SOURCES[step.source],
      target: step.operation.op === 'reclaim' ? privacy.agent(step.operation.agentId) : privacy.text(step.target),
      old: step.old === null ? null : privacy.value(step.old),
      new: privacy.value(step.new),
      readBack: done === undefined || done.readBack === null ? null : privacy.text(done.readBack),
      outcome: done === undefined ? 'not reached' : done.error === null ? done.outcome : `${done.outcome}: ${failureText(done.error, privacy)}`,
      why: privacy.text(step.why),
      undo: privacy.text(step.undo),
    }
  })

const factRows = (subject: ReportSubject): ReportModel['facts'] => {
  const facts = subject.facts ?? null
  const kernel = facts?.kernelRelease ?? (subject.kind === 'run' ? subject.record.plan.kernelRelease : null)
  return [
    ...(kernel === null ? [] : [{ label: 'Kernel', value: `Linux ${kernel}` }]),
    ...(facts === null
      ? []
      : [
          { label: 'Memory', value: bytesText(facts.totalBytes) },
          { label: 'Swap', value: facts.swapTotalBytes === 0 ? 'none' : bytesText(facts.swapTotalBytes) },
          { label: 'Measured as', value: facts.privileged ? 'root, by the helper' : 'the user, without root' },
          { label: 'One look took', value: `${Math.round(facts.tookMs)} ms` },
        ]),
  ]
}

const measuredWords = (subject: ReportSubject): string[] => [
  'An agent costs its share of resident memory (PSS of all its processes) and its share of the compressed pool. Pages on plain disk swap cost no memory and are not counted; RSS is not used, it counts shared pages many times.',
  'Both sides were measured by the same program with the same privilege. Only agents that were there, and could be measured, on both sides count.',
  subject.kind === 'run'
    ? 'Two looks were taken before the first change; what moved between them is the noise. An agent left alone shows what agents change by themselves: that part is expected, and only what is won beyond it is called gain. Shared file pages that move to the account of an agent left alone are taken off.'
    : 'Two moments are compared as they are: nothing was left alone on purpose, so what agents change by themselves is part of the difference, and the noise was not measured.',
]

const agentRows = (delta: SnapshotDelta | null, privacy: Privacy): AgentRow[] =>
  (delta?.agents ?? [])
    .map((agent) => ({ ...agent, label: privacy.agent(agent.id) }))
    .toSorted((a, b) => (b.beforeBytes.value ?? b.afterBytes.value ?? 0) - (a.beforeBytes.value ?? a.afterBytes.value ?? 0))

const suspendedRows = (subject: ReportSubject, privacy: Privacy): SuspendedRow[] => {
  const compared = new Set(subject.delta?.agents.map((agent) => agent.id))
  return (subject.suspended ?? []).map((fact) => ({
    // One that is on neither side has no number; its kind tells nothing private.
    label: compared.has(fact.agentId) ? privacy.agent(fact.agentId) : privacy.text(fact.title),
    before: fact.before ?? 'not known',
    after: fact.after ?? 'not known',
    times: fact.times,
    suspendedMs: fact.suspendedMs,
    wonBytes: fact.wonBytes,
    wokenBy: fact.wokenBy === null ? '' : CAUSES[fact.wokenBy],
  }))
}

const movedWarning = (subject: ReportSubject): string[] => {
  const moved = movedBetween(subject.suspended ?? []).length
  return moved === 0 ? [] : [`${moved === 1 ? 'One agent was' : `${moved} agents were`} suspended or resumed between the two sides: part of the difference comes from that.`]
}

export const buildModel = (subject: ReportSubject, isPrivate: boolean, madeAtMs: number): ReportModel => {
  const { delta } = subject
  const privacy = createPrivacy(delta, isPrivate)
  const record = subject.kind === 'run' ? subject.record : null
  const span = delta === null ? '' : `, ${durationText(Math.abs(delta.toMs - delta.fromMs))} between the two sides`
  const label = (info: SnapshotInfo): string => (isPrivate && info.label !== '' ? info.label : timeText(info.takenAtMs))
  return {
    subject,
    privacy,
    madeAtMs,
    title: subject.kind === 'run' ? subject.record.presetTitle : 'Comparison of two moments',
    subtitle: subject.kind === 'run' ? `Run of ${timeText(subject.record.startedAtMs)}${span}` : `${label(subject.from)} compared with ${label(subject.to)}${span}`,
    verdict: delta?.total.verdict ?? 'nothing-to-compare',
    verdictWord: verdictWord(delta?.total.verdict ?? 'nothing-to-compare'),
    headline: headline(subject),
    control: [controlWords(subject), rateWords(delta)].filter((part) => part !== '').join(' '),
    state: record === null ? '' : stateWords(record),
    warnings: [...warningsOf(subject, privacy), ...movedWarning(subject)],
    delta,
    agents: agentRows(delta, privacy),
    suspended: suspendedRows(subject, privacy),
    findings: subject.findings == null ? null : { atMs: subject.findings.atMs, rows: findingRows(subject.findings, privacy) },
    steps: record === null ? [] : stepRows(record, privacy),
    skipped: record === null ? [] : record.plan.skipped.map(({ what, reason }) => ({ what: privacy.text(what), reason: privacy.text(reason) })),
    notes: record === null ? [] : record.plan.notes.map((note) => privacy.text(note)),
    undo:
      record === null
        ? []
        : record.undo.map(({ target, old, found, outcome, reason }) => ({
            target: privacy.text(target),
            old: old === null ? null : privacy.value(old),
            found: found === null ? null : privacy.value(found),
            outcome: UNDO_WORDS[outcome],
            reason: privacy.text(reason),
          })),
    facts: factRows(subject),
    measured: measuredWords(subject),
  }
}

const UNDO_WORDS: Record<RunDetail['record']['undo'][number]['outcome'], string> = {
  restored: 'restored',
  'already-so': 'was so already',
  'left-alone': 'left alone',
  'waiting-for-memory': 'waits for free memory',
  failed: 'failed',
}
