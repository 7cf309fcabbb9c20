import type { Evidence } from '../../../helper/contract/evidence.ts'
import { fail, ok, type Result } from '../../../helper/contract/errors.ts'
import type { Diagnosis, Finding, KernelFeature, Leak } from '../../contract/diagnosis.ts'
import type { PlanView, RunDetail } from '../../contract/views.ts'
import { figureText } from '../amounts.ts'
import type { NewEntry } from '../history/journal.ts'
import type { History } from '../history/types.ts'
import type { Planner } from '../runs/planner.ts'
import { withJournal } from './advice.ts'
import { bySeverity, judge } from './engine.ts'
import { createLookRing } from './look-ring.ts'
import type { Looks, Rule } from './rule.ts'
import { lastOf, spanMs } from './series.ts'
import { wishOf } from './try-solution.ts'

export interface DiagnoseDeps {
  /** One look at the machine, as this user. */
  readonly look: () => Promise<Result<Evidence>>
  readonly rules: readonly Rule[]
  readonly features: (look: Evidence) => readonly KernelFeature[]
  /** Which of the five causes explain that memory did not fall with this run. */
  readonly didNotFall: (run: RunDetail, looks: Looks) => readonly Finding[]
  /** Null where leaks were not asked for. */
  readonly leaks: () => readonly Leak[] | null
  readonly history: Pick<History, 'reader' | 'writer'>
  readonly planner: Pick<Planner, 'plan'>
  readonly run: (runId: string) => RunDetail | null
  /** Findings came, went, or their journal did. */
  readonly onChanged: () => void
  readonly now: () => number
}

export interface Diagnose {
  /** A fresh look, where the last one is not fresh enough, and what the rules make of the last ten minutes. */
  get(wish: { leaks: boolean }): Promise<Result<Diagnosis>>
  /** Why memory did not fall with a run, and what else was found when it was measured. */
  ofRun(runId: string): Promise<Result<Diagnosis>>
  /** The plan of a solution of something that is found now. */
  try(wish: { rule: string; subject: string; solution: string }): Promise<Result<PlanView>>
  /** A run was measured: what is found now belongs to it. */
  noteRun(runId: string): Promise<void>
}

/** The same finding is written down again after this, where it was not there all the time. */
const AGAIN_MS = 24 * 3600_000
/** What is found is kept for reports when it changed, and else this often. */
const KEEP_MS = 10 * 60_000

const keyOf = ({ rule, subject }: Pick<Finding, 'rule' | 'subject'>): string => `${rule} ${subject}`

export const findingEntry = (finding: Finding, look: Pick<Evidence, 'takenAtMs' | 'kernelRelease'>): NewEntry => ({
  atMs: look.takenAtMs,
  kind: 'finding',
  rule: finding.rule,
  subject: finding.subject,
  solution: null,
  presetId: null,
  runId: null,
  title: finding.title,
  text: [finding.explanation, ...finding.figures.map(({ what, value, unit, source }) => `${what}: ${figureText(value, unit)} (${source})`)].join('\n'),
  outcome: null,
  gainBytes: null,
  kernelRelease: look.kernelRelease,
})

/** The one use-case behind the page, the command line and the reports. */
export const createDiagnose = (deps: DiagnoseDeps): Diagnose => {
  const { history } = deps
  const ring = createLookRing(deps)
  /** What was found with the last look; null before the first. */
  let present: ReadonlySet<string> | null = null
  let keptAtMs = 0
  let recordedAtMs = 0
  let last: Diagnosis | null = null

  /** Writes down what is new: not there a moment ago, and not within a day, by whomever. */
  const record = (findings: readonly Finding[], look: Evidence): void => {
    const now = new Set(findings.map(keyOf))
    const isChanged = present === null || now.size !== present.size || [...now].some((key) => present?.has(key) === false)
    for (const finding of findings) {
      if (present?.has(keyOf(finding)) === true) continue
      const foundAtMs = history.reader.foundAtMs(finding.rule, finding.subject)
      if (foundAtMs === null || look.takenAtMs - foundAtMs >= AGAIN_MS) history.writer.addToJournal(findingEntry(finding, look))
    }
    if (isChanged || look.takenAtMs - keptAtMs >= KEEP_MS) {
      keptAtMs = look.takenAtMs
      history.writer.addFindings(look.takenAtMs, null, findings)
    }
    const tell = isChanged && present !== null
    present = now
    if (tell) deps.onChanged()
  }

  const diagnosisOf = (looks: Looks, findings: readonly Finding[], judged: Pick<Diagnosis, 'silent' | 'couldNotLook'>, leaks: readonly Leak[] | null, fromMs: number): Diagnosis => {
    const look = lastOf(looks)
    return {
      version: 1,
      takenAtMs: look.takenAtMs,
      kernelRelease: look.kernelRelease,
      privileged: look.privileged,
      looks: looks.length,
      spanMs: spanMs(looks),
      findings: withJournal(findings, history.reader),
      silent: [...judged.silent],
      couldNotLook: [...judged.couldNotLook],
      features: [...deps.features(look)],
      leaks: leaks === null ? null : [...leaks],
      tookMs: Math.max(0, performance.now() - fromMs),
    }
  }

  const judged = async (): Promise<Result<{ looks: Looks; judgement: ReturnType<typeof judge> }>> => {
    const looks = await ring.recent()
    if (!looks.ok) return looks
    const judgement = judge(deps.rules, looks.value)
    const { takenAtMs } = lastOf(looks.value)
    if (takenAtMs !== recordedAtMs) record(judgement.findings, lastOf(looks.value))
    recordedAtMs = takenAtMs
    return ok({ looks: looks.value, judgement })
  }

  const get: Diagnose['get'] = async ({ leaks }) => {
    const fromMs = performance.now()
    const answer = await judged()
    if (!answer.ok) return answer
    const { looks, judgement } = answer.value
    last = diagnosisOf(looks, judgement.findings, { silent: [...judgement.silent], couldNotLook: [...judgement.couldNotLook] }, leaks ? deps.leaks() : null, fromMs)
    return ok(last)
  }

  const find = (rule: string, subject: string): Finding | undefined => last?.findings.find((finding) => finding.rule === rule && finding.subject === subject)

  return {
    get,
    async ofRun(runId) {
      const fromMs = performance.now()
      const run = deps.run(runId)
      if (run === null) return fail('no-such-run', 'This run is not in the history.', { about: runId })
      const answer = await judged()
      if (!answer.ok) return answer
      const { looks, judgement } = answer.value
      // What was found at its time, where somebody looked then: the machine of now says little about an old run.
      const kept = history.reader.findingsOfRun(runId)
      const findings = kept?.findings ?? [...deps.didNotFall(run, looks).toSorted(bySeverity), ...judgement.findings]
      return ok(diagnosisOf(looks, findings, { silent: [...judgement.silent], couldNotLook: [...judgement.couldNotLook] }, null, fromMs))
    },
    async try({ rule, subject, solution }) {
      if (find(rule, subject) === undefined) {
        const answer = await get({ leaks: false })
        if (!answer.ok) return answer
      }
      const finding = find(rule, subject)
      if (finding === undefined) return fail('plan-changed', 'This is not found any more: the machine is another than when it was shown.', { about: subject === '' ? rule : `${rule}: ${subject}`, advice: 'Look at what is found now.' })
      const wish = wishOf(finding, solution)
      return wish.ok ? deps.planner.plan(wish.value) : wish
    },
    async noteRun(runId) {
      const run = deps.run(runId)
      if (run === null || history.reader.findingsOfRun(runId) !== null) return
      const answer = await judged()
      if (!answer.ok) return
      const { looks, judgement } = answer.value
      const causes = deps.didNotFall(run, looks).toSorted(bySeverity)
      history.writer.addFindings(deps.now(), runId, [...causes, ...judgement.findings])
      for (const cause of causes) history.writer.addToJournal(findingEntry(cause, lastOf(looks)))
    },
  }
}
