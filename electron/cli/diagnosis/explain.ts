import { uptime } from 'node:os'
import { fail } from '../../../helper/contract/result.ts'
import { runIdSchema } from '../../../helper/contract/runs.ts'
import { askDiagnosis } from '../../app/ask-diagnosis.ts'
import { rulesOf, wrongRule } from '../../app/diagnose/known.ts'
import { createRecall, type Seen } from '../../app/diagnose/recall.ts'
import type { HistoryReader } from '../../app/history/types.ts'
import { appPaths } from '../../app/paths.ts'
import type { Answer } from '../../contract/channels.ts'
import type { Diagnosis } from '../../contract/diagnosis.ts'
import { EXIT } from '../exit-codes.ts'
import { withApp } from '../open-app.ts'
import { duration, note, outJson, printFailure, say } from '../print.ts'
import { lookAgain } from './again.ts'
import { askQuickly, withBriefHistory } from './quick.ts'
import { causesOf, printCauses } from './why-not.ts'
import { printFinding } from './words.ts'

export interface ExplainOptions {
  json: boolean
  /** Look again for so long, or until it is found. */
  for?: number
}

/** Why memory did not fall with a run. */
const explainRun = (runId: string, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const detail = app.inner.runs.detail(runId)
    if (detail === null) return printFailure(fail('no-such-run', 'This run is not in the history.', { about: runId, advice: 'Those that are: agentmemctl runs' }).error, options.json)
    const causes = await causesOf(app, runId)
    if (options.json) outJson('did-not-fall', { runId, didNotFall: causes })
    else if (causes.length > 0) printCauses(causes)
    else say(detail.delta === null ? 'This run was not measured before and after.' : 'Nothing kept memory from falling with this run: agentmemctl report tells what it won.', 2)
    return EXIT.ok
  })

type Lately = (rule: string, takenAtMs: number) => readonly Seen[]

const latelyIn = (reader: Pick<HistoryReader, 'findingsBetween'>): Lately => (rule, takenAtMs) => createRecall(reader).seenOf(rule, { takenAtMs, uptimeS: uptime() })
/** What this user's programs found in the last minutes, of the file alone: nothing else of the app is begun for it. */
const latelyInFile: Lately = (rule, takenAtMs) => withBriefHistory((history) => (history === null ? [] : latelyIn(history.reader)(rule, takenAtMs)))

/** What comes and goes is told as it last was: silence right now does not mean that all is well. */
const printSeen = (rule: string, seen: readonly Seen[], takenAtMs: number): void => {
  const [newest] = seen
  if (newest === undefined) return
  say(`${rule} finds nothing right now; it was found ${duration(Math.max(0, takenAtMs - newest.atMs))} ago. Such things come and go: --for 60s looks again until it is back.`, 2)
  for (const { finding } of seen) printFinding(finding, true)
}

const printRule = (answer: Answer<'diagnosis.get'>, rule: string, options: ExplainOptions, lately: Lately): number => {
  if (!answer.ok) return printFailure(answer.error, options.json)
  const { findings, couldNotLook, takenAtMs } = answer.value
  const wrong = wrongRule(rule, rulesOf(answer.value))
  if (wrong !== null) return printFailure(wrong.error, options.json)
  const found = findings.filter((finding) => finding.rule === rule)
  const needs = couldNotLook.find((one) => one.rule === rule)?.needs ?? null
  const seen = found.length > 0 ? [] : lately(rule, takenAtMs)
  if (options.json) {
    const state = found.length > 0 ? 'found' : seen.length > 0 ? 'found-lately' : needs === null ? 'silent' : 'could-not-look'
    outJson('rule', { rule, findings: found, state, needs, lately: seen.map(({ finding, atMs }) => ({ atMs, finding })) })
    return EXIT.ok
  }
  for (const finding of found) printFinding(finding, true)
  printSeen(rule, seen, takenAtMs)
  if (needs !== null) say(`${rule} could not look: ${needs}`, 2)
  else if (found.length === 0 && seen.length === 0) say(`${rule} looked and found nothing: all is well there.`, 2)
  return EXIT.ok
}

/** Until it is found, or the time is over; by the app where it runs, else by all that it would have begun. */
const explainFor = async (rule: string, forMs: number, options: ExplainOptions): Promise<number> => {
  const { runtimeDir } = appPaths()
  const isEnough = (diagnosis: Diagnosis): boolean => diagnosis.findings.some((finding) => finding.rule === rule) || !rulesOf(diagnosis).includes(rule)
  if (!options.json) note(`Looking for ${Math.round(forMs / 1000)} s, or until it is found...`)
  const first = await askDiagnosis(runtimeDir, false)
  if (first !== null) return printRule(await lookAgain(first, async () => (await askDiagnosis(runtimeDir, false)) ?? first, forMs, isEnough), rule, options, latelyInFile)
  return withApp(async (app) => {
    const ask = () => app.call('diagnosis.get', { leaks: false })
    return printRule(await lookAgain(await ask(), ask, forMs, isEnough), rule, options, latelyIn(app.inner.history.reader))
  })
}

/** What this command sees by itself is asked first: most rules need no more, and the rest of the app takes seconds to begin. */
const explainRule = async (rule: string, options: ExplainOptions): Promise<number> => {
  if (options.for !== undefined) return explainFor(rule, options.for, options)
  const quick = await askQuickly()
  const lacks = quick.ok && quick.value.couldNotLook.some((one) => one.rule === rule)
  if (!lacks) return printRule(quick, rule, options, latelyInFile)
  return withApp(async (app) => printRule(await app.call('diagnosis.get', { leaks: false }), rule, options, latelyIn(app.inner.history.reader)))
}

/** One rule: what it says now, said a moment ago, or why it is silent; or a run, and why memory did not fall with it. */
export const explain = (rule: string, options: ExplainOptions): Promise<number> => {
  const run = runIdSchema.safeParse(rule)
  return run.success ? explainRun(run.data, options) : explainRule(rule, options)
}
