import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { monotonicMs } from '../../../helper/observe/clock.ts'
import type { Diagnosis, Finding, Leak, LeakView } from '../../contract/diagnosis.ts'
import type { PlanView, RunDetail } from '../../contract/views.ts'
import type { HistoryReader } from '../history/types.ts'
import type { Planner } from '../runs/planner.ts'
import { withJournal } from './advice.ts'
import { bySeverity, judge } from './engine.ts'
import { createFinder, findingEntry, type FindDeps, type Finder, type FindHistory } from './find.ts'
import { rulesOf, wrongRule } from './known.ts'
import type { LeakThresholds } from './leaks.ts'
import { createRecall, movedSince } from './recall.ts'
import type { Looks } from './rule.ts'
import { leakRule, leakSubject } from './rules/leaks-of-history.ts'
import { lastOf } from './series.ts'
import { wishOf } from './try-solution.ts'

export interface DiagnoseDeps extends FindDeps {
  /** Which of the five causes explain that memory did not fall with this run. */
  readonly didNotFall: (run: RunDetail, looks: Looks) => readonly Finding[]
  readonly history: FindHistory & { readonly reader: Pick<HistoryReader, 'findingsOfRun' | 'runs'> }
  readonly planner: Pick<Planner, 'plan'>
  readonly run: (runId: string) => RunDetail | null
}

export interface Diagnose {
  get: Finder['get']
  /** Why memory did not fall with a run, and what else was found when it was measured. */
  ofRun(runId: string): Promise<Result<Diagnosis>>
  /** Leaks by limits of the user's, each with what to do about it where it is still there. */
  leaks(leaks: readonly Leak[], thresholds: LeakThresholds): Promise<Result<LeakView[]>>
  /** What was said of one who grows, by whichever limits it was shown, also where it has ended since: starting it anew is what is advised. */
  grown(growth: readonly Leak[]): Promise<Result<Finding | null>>
  /** The plan of a solution of something that is found now, or was within the last minutes on a machine set as it is now. */
  try(wish: { rule: string; subject: string; solution: string }): Promise<Result<PlanView>>
  /** A run was measured: what is found now belongs to it. */
  noteRun(runId: string): Promise<void>
}

/** The one use-case behind the page, the command line and the reports. */
export const createDiagnose = (deps: DiagnoseDeps): Diagnose => {
  const { history } = deps
  const { diagnosisOf, ...finder } = createFinder(deps)
  const recall = createRecall(history.reader)

  const get: Diagnose['get'] = async (wish) => {
    const answer = await finder.get(wish)
    if (answer.ok) recall.note(answer.value.findings, answer.value.takenAtMs)
    return answer
  }
  const judged: Finder['judged'] = async () => {
    const answer = await finder.judged()
    if (answer.ok) recall.note(answer.value.judgement.findings, lastOf(answer.value.looks).takenAtMs)
    return answer
  }

  /** Why memory did not fall is no finding of the machine but of a run: the newest can still be acted on. */
  const causeOfNewest = (rule: string): Finding | undefined => {
    const [newest] = history.reader.runs(1)
    return newest === undefined ? undefined : history.reader.findingsOfRun(newest.summary.id)?.findings.find((cause) => cause.rule === rule && cause.topic === 'did-not-fall')
  }

  /** As it was found, with when that was where it is not found now. */
  const found = async (rule: string, subject: string): Promise<Result<{ finding: Finding; lastFoundAtMs: number | null }>> => {
    const answer = await judged()
    if (!answer.ok) return answer
    const { looks, judgement } = answer.value
    const finding = judgement.findings.find((each) => each.rule === rule && each.subject === subject) ?? causeOfNewest(rule)
    if (finding !== undefined) return ok({ finding, lastFoundAtMs: null })
    // Causes of a run are no rules of the machine.
    const wrong = rule.startsWith('did-not-fall.') ? null : wrongRule(rule, rulesOf(judgement))
    if (wrong !== null) return wrong
    const about = subject === '' ? rule : `${rule}: ${subject}`
    const seen = recall.seen(rule, subject, lastOf(looks))
    if (seen === null) return fail('plan-changed', 'This is not found any more: the machine is another than when it was shown.', { about, advice: 'Look at what is found now.' })
    const moved = movedSince(looks, seen.atMs)
    if (moved !== null) return fail('plan-changed', `This is not found any more, and the machine is set differently than it was then: ${moved.what}.`, { about, expected: moved.was, got: moved.is, advice: 'Look at what is found now.' })
    return ok({ finding: seen.finding, lastFoundAtMs: seen.atMs })
  }

  return {
    get,
    async ofRun(runId) {
      const fromMs = monotonicMs()
      const run = deps.run(runId)
      if (run === null) return fail('no-such-run', 'This run is not in the history.', { about: runId })
      const answer = await judged()
      if (!answer.ok) return answer
      const { looks, judgement } = answer.value
      // What was found at its time, where somebody looked then: the machine of now says little about an old run.
      const kept = history.reader.findingsOfRun(runId)
      const findings = kept?.findings ?? [...deps.didNotFall(run, looks).toSorted(bySeverity), ...judgement.findings]
      return ok(diagnosisOf(answer.value, findings, null, fromMs))
    },
    async leaks(leaks, limits) {
      const answer = await judged()
      if (!answer.ok) return answer
      const { findings } = judge([leakRule(leaks, { each: true, limits })], answer.value.looks)
      const told = new Map(withJournal(findings, history.reader).map((finding) => [finding.subject, finding]))
      return ok(leaks.map((leak) => ({ ...leak, finding: told.get(leakSubject(leak)) ?? null })))
    },
    async grown(growth) {
      const answer = await judged()
      if (!answer.ok) return answer
      const limits = { bytesPerHour: 0, percentPerHour: 0 }
      for (const leak of growth) {
        const [finding] = judge([leakRule([leak], { each: true, ended: true, limits })], answer.value.looks).findings
        if (finding !== undefined) return ok(finding)
      }
      return ok(null)
    },
    async try({ rule, subject, solution }) {
      const answer = await found(rule, subject)
      if (!answer.ok) return answer
      const { finding, lastFoundAtMs } = answer.value
      const wish = wishOf(finding, solution)
      if (!wish.ok) return wish
      const view = await deps.planner.plan(wish.value)
      return view.ok && lastFoundAtMs !== null ? ok({ ...view.value, lastFoundAtMs }) : view
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
