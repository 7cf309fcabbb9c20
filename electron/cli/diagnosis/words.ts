import type { Diagnosis, Finding, KernelFeature, Leak, LeakView, Severity, Solution } from '../../contract/diagnosis.ts'
import { isByHand } from '../../contract/deeds.ts'
import { subjectProcess } from '../../contract/subject.ts'
import { traceLine } from '../../../helper/plan/trace-lines.ts'
import { amount, figureText } from '../../app/amounts.ts'
import { commandFor } from '../../app/diagnose/trace-lines.ts'
import { paint } from '../paint.ts'
import { duration, out, say } from '../print.ts'

const STYLE: Readonly<Record<Severity, Parameters<typeof paint>[0]>> = { critical: ['bold', 'red'], warning: ['bold', 'yellow'], advice: 'cyan', information: 'dim' }
const SIGN: Readonly<Record<Severity, string>> = { critical: '!!', warning: '! ', advice: '> ', information: 'i ' }
/** Figures of a finding that are told without --verbose. */
const FIGURES = 3
const OUTCOME = { kept: 'kept', undone: 'undone', failed: 'failed', 'no-gain': 'won nothing' } as const

// Made when it is needed: the tables behind it cost megabytes.
const dayOf = (atMs: number): string => new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' }).format(atMs)

const beforeWords = ({ before }: Solution): string => {
  const [last] = before
  if (last === undefined) return ''
  const gain = last.gainBytes.value === null ? '' : `: ${last.gainBytes.value >= 0 ? 'won' : 'cost'} ${amount(Math.abs(last.gainBytes.value))}`
  return ` (tried on ${dayOf(last.atMs)}${gain}, ${OUTCOME[last.outcome]})`
}

const subjectOption = ({ subject }: Finding): string => (subject === '' ? '' : ` --subject '${subject}'`)

/** How one does it from here. */
const howTo = (finding: Finding, { act, id }: Solution): string => {
  switch (act.how) {
    case 'try-run':
    case 'preset':
      return `agentmemctl try ${finding.rule} ${id}${subjectOption(finding)}`
    case 'command':
      return `${act.needsRoot ? 'as root: ' : ''}${act.command}`
    case 'page':
      return `in the window: ${[act.page, ...act.rest].join(' / ')}`
    case 'advice':
      return ''
  }
}

const printSolution = (finding: Finding, solution: Solution, number: number, verbose: boolean): void => {
  say(`    ${number}. ${solution.title}${beforeWords(solution)}. ${solution.what}`, 7)
  if (verbose) {
    say(`       Trade-off: ${solution.tradeOff}`, 7)
    say(`       Side effects: ${solution.sideEffects}`, 7)
    say(`       Touches: ${solution.scope}. Back: ${solution.undoWords}`, 7)
  }
  const how = howTo(finding, solution)
  if (how !== '') out(`       ${paint('dim', '$')} ${how}`)
  if (verbose && isByHand(solution)) out(`       Done it: agentmemctl journal did ${finding.rule} ${solution.id}${subjectOption(finding)}`)
}

/** The exact lines, for the process it is about where there is one. */
const printLookDeeper = ({ lookDeeper, subject }: Finding): void => {
  const about = subjectProcess(subject)
  lookDeeper.flatMap((id) => traceLine(id) ?? []).forEach((line, i) => {
    if (i === 0) out('   Look deeper:')
    const pid = line.process === 'none' || about === null ? '' : ` --pid ${about.pid}`
    out(`     ${line.title}; or: agentmemctl trace ${line.id}${pid}`)
    out(`     ${paint('dim', '$')} ${commandFor(line, about?.pid ?? null)}`)
  })
}

export const printFinding = (finding: Finding, verbose: boolean): void => {
  out(`${paint(STYLE[finding.severity], `${SIGN[finding.severity]} ${finding.title}`)}  ${paint('dim', `[${finding.rule}${finding.subject === '' ? '' : ` ${finding.subject}`}]`)}`)
  say(`   ${finding.explanation}`, 3)
  for (const { what, value, unit, source, threshold } of verbose ? finding.figures : finding.figures.slice(0, FIGURES)) {
    const against = threshold === null ? '' : `, ${threshold.kind} ${figureText(threshold.value, unit)}`
    out(`   ${what}: ${figureText(value, unit)}${verbose ? `${against}  ${paint('dim', source)}` : ''}`)
  }
  finding.solutions.forEach((solution, i) => { printSolution(finding, solution, i + 1, verbose) })
  if (verbose) printLookDeeper(finding)
  out('')
}

/** Leaks that need a look come first; the quiet ones are counted. */
export const printLeaks = (leaks: readonly (Leak | LeakView)[], verbose: boolean): void => {
  const loud = leaks.filter(({ verdict }) => verbose || verdict === 'leak' || verdict === 'suspected')
  for (const leak of loud) {
    const name = leak.subject.of === 'agent' ? leak.subject.title : `${leak.subject.title}, process ${leak.subject.pid}`
    out(`${paint(leak.verdict === 'leak' ? ['bold', 'yellow'] : 'dim', leak.verdict.padEnd(10))} ${name}: ${amount(leak.nowBytes)} now, ${amount(leak.bytesPerHour)} an hour (${Math.round(leak.percentPerHour)} %)`)
    say(`           ${leak.why}`, 11)
    const finding = 'finding' in leak ? leak.finding : null
    finding?.solutions.forEach((solution, i) => { printSolution(finding, solution, i + 1, verbose) })
  }
  if (leaks.length === 0) say('Nothing is known yet of how memory grew: it is written down only while the app runs. Leave its window open (npm start), or only its part without a window (npm start -- --no-open), and ask again: after twenty minutes the first can be told, a leak after forty.', 0)
  else if (loud.length === 0) out(`None of ${leaks.length} agents and processes grows without end.`)
}

/** What it is here and what says so, what changed since, and what to do without it. */
const printFeature = ({ title, state, since, changes, option, evidence, instead, source }: KernelFeature): void => {
  const built = option === null ? '' : `, built with ${option}`
  say(`${state.padEnd(10)} ${title} (since Linux ${since}${built}): ${evidence}  ${paint('dim', source)}`, 11)
  for (const { version, what } of changes) say(`           ${version}: ${what}`, 17)
  if (state !== 'here') say(`           Instead: ${instead}`, 11)
}

export const printDiagnosis = (diagnosis: Diagnosis, verbose: boolean): void => {
  const { findings, silent, couldNotLook } = diagnosis
  const urgent = findings.filter(({ severity }) => severity === 'critical' || severity === 'warning').length
  out(findings.length === 0 ? `Nothing found: ${silent.length} rules looked.` : `${findings.length} found, ${urgent === 0 ? 'none of them urgent' : `${urgent} of them urgent`}; ${silent.length} rules looked and found nothing.`)
  out('')
  for (const finding of findings) printFinding(finding, verbose)
  if (diagnosis.leaks !== null) printLeaks(diagnosis.leaks, verbose)
  if (couldNotLook.length > 0) {
    if (verbose) for (const { rule, needs } of couldNotLook) say(`-  ${rule} could not look: ${needs}`, 3)
    else say(`${couldNotLook.length} rules could not look; --verbose says why.`, 0)
  }
  if (diagnosis.looks === 1) say('One look only: what is told from rates needs another, a few seconds later.', 0)
  if (verbose) {
    out('')
    for (const { title, state, says, source } of diagnosis.protections) say(`${state.padEnd(10)} ${title}: ${says}  ${paint('dim', source)}`, 11)
    diagnosis.features.forEach(printFeature)
    out(`Took ${duration(diagnosis.tookMs)}; ${diagnosis.looks} looks over ${duration(diagnosis.spanMs)}; Linux ${diagnosis.kernelRelease}`)
  }
}
