import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import { ok } from '../../../helper/contract/result.ts'
import { monotonicMs } from '../../../helper/observe/clock.ts'
import type { Diagnosis, Finding, KernelFeature, Leak } from '../../contract/diagnosis.ts'
import { figureText } from '../amounts.ts'
import type { NewEntry } from '../history/journal.ts'
import type { HistoryReader, HistoryWriter } from '../history/types.ts'
import { withJournal } from './advice.ts'
import { judge } from './engine.ts'
import { createLookRing } from './look-ring.ts'
import { protectionsOf } from './protections.ts'
import { leakRule } from './rules/leaks-of-history.ts'
import type { Judgement, Looks, Rule } from './rule.ts'
import { lastOf, spanMs } from './series.ts'

/** As much of the history as finding needs. */
export interface FindHistory {
  readonly reader: Pick<HistoryReader, 'looks' | 'outcomesOf' | 'foundAtMs' | 'findingsBetween'>
  readonly writer: Pick<HistoryWriter, 'addLook' | 'addToJournal' | 'addFindings'>
}

export interface FindDeps {
  /** One look at the machine, as this user. */
  readonly look: () => Promise<Result<Evidence>>
  readonly rules: readonly Rule[]
  readonly features: (look: Evidence) => readonly KernelFeature[]
  /** Who grew in the last hours, told no longer ago than this; null where the history may not be asked. */
  readonly leaks: (mostAgeMs: number) => readonly Leak[] | null
  readonly history: FindHistory
  /** Findings came, went, or their journal did. */
  readonly onChanged: () => void
  readonly now: () => number
}

export interface Judged { readonly looks: Looks; readonly judgement: Judgement }

export interface Finder {
  /** A fresh look, where the last one is not fresh enough, and what the rules make of the last ten minutes. */
  readonly get: (wish: { leaks: boolean }) => Promise<Result<Diagnosis>>
  /** The same without what the journal knows. */
  readonly judged: () => Promise<Result<Judged>>
  /** These findings in the shape of the contract, with what was seen of their solutions before. */
  readonly diagnosisOf: (judged: Judged, findings: readonly Finding[], leaks: readonly Leak[] | null, fromMs: number) => Diagnosis
}

/** The same finding is written down again after this, where it was not there all the time. */
const AGAIN_MS = 24 * 3600_000
/** What is found is kept for reports when it changed, and else this often. */
const KEEP_MS = 10 * 60_000
/** What is found and stays is kept so often: another program may try it minutes after it went. */
const KEEP_FOUND_MS = 2 * 60_000
/** What is told from hours may be some minutes old, so that no question waits for it; the app asks anew every ten. */
const LEAKS_MS = 15 * 60_000
/** The same for whoever asks for leaks: curves get a point once a minute. */
const LEAKS_ASKED_MS = 60_000

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

/**
 * Looks, judges, and writes down what is new: all of a diagnosis but runs and
 * plans, so that a command which only asks loads nothing of these.
 */
export const createFinder = (deps: FindDeps): Finder => {
  const { history } = deps
  const ring = createLookRing(deps)
  /** What was found with the last look; null before the first. */
  let present: ReadonlySet<string> | null = null
  let keptAtMs = 0
  let recordedAtMs = 0

  /** What another program found lately is nothing new: a command that ends at once need not write it down again. */
  const foundByOthers = (look: Evidence): ReadonlySet<string> | null => {
    const kept = history.reader.findingsBetween(look.takenAtMs - KEEP_MS + 1, look.takenAtMs)
    if (kept === null) return null
    keptAtMs = kept.atMs
    return new Set(kept.findings.map(keyOf))
  }

  /** Writes down what is new: not there a moment ago, and not within a day, by whomever. */
  const record = (findings: readonly Finding[], look: Evidence): void => {
    const isFirst = present === null
    present ??= foundByOthers(look)
    const now = new Set(findings.map(keyOf))
    const isChanged = present === null || now.size !== present.size || [...now].some((key) => present?.has(key) === false)
    for (const finding of findings) {
      if (present?.has(keyOf(finding)) === true) continue
      const foundAtMs = history.reader.foundAtMs(finding.rule, finding.subject)
      if (foundAtMs === null || look.takenAtMs - foundAtMs >= AGAIN_MS) history.writer.addToJournal(findingEntry(finding, look))
    }
    if (isChanged || look.takenAtMs - keptAtMs >= (findings.length === 0 ? KEEP_MS : KEEP_FOUND_MS)) {
      keptAtMs = look.takenAtMs
      history.writer.addFindings(look.takenAtMs, null, findings)
    }
    present = now
    if (isChanged && !isFirst) deps.onChanged()
  }

  const diagnosisOf: Finder['diagnosisOf'] = ({ looks, judgement }, findings, leaks, fromMs) => {
    const look = lastOf(looks)
    return {
      version: 1,
      takenAtMs: look.takenAtMs,
      kernelRelease: look.kernelRelease,
      privileged: look.privileged,
      looks: looks.length,
      spanMs: spanMs(looks),
      findings: withJournal(findings, history.reader),
      silent: [...judgement.silent],
      couldNotLook: [...judgement.couldNotLook],
      features: [...deps.features(look)],
      protections: [...protectionsOf(look)],
      leaks: leaks === null ? null : [...leaks],
      tookMs: Math.max(0, monotonicMs() - fromMs),
    }
  }

  const judged: Finder['judged'] = async () => {
    const looks = await ring.recent()
    if (!looks.ok) return looks
    const judgement = judge([...deps.rules, leakRule(deps.leaks(LEAKS_MS))], looks.value)
    const { takenAtMs } = lastOf(looks.value)
    if (takenAtMs !== recordedAtMs) record(judgement.findings, lastOf(looks.value))
    recordedAtMs = takenAtMs
    return ok({ looks: looks.value, judgement })
  }

  return {
    judged,
    diagnosisOf,
    async get({ leaks }) {
      const fromMs = monotonicMs()
      // Before the rules: the one over the history then tells of the same.
      const known = leaks ? deps.leaks(LEAKS_ASKED_MS) : null
      const answer = await judged()
      return answer.ok ? ok(diagnosisOf(answer.value, answer.value.judgement.findings, known, fromMs)) : answer
    },
  }
}
