import type { Figure, Finding, Severity } from '../../contract/diagnosis.ts'
import { figureText } from '../amounts.ts'
import type { KeptFindings } from '../history/look-store.ts'
import type { Privacy } from './privacy.ts'

/** What was found about memory at the time of a run or of the later of two moments. */
export interface ReportFindings extends KeptFindings {
  /** The rule's own words, which name nobody; null for an unknown rule. */
  readonly titleOf: (rule: string) => string | null
}

export interface FindingRow {
  severity: string
  /** Of the rule: "swap.none". */
  rule: string
  /** Empty where there is but one, or where names stay out. */
  subject: string
  title: string
  why: string
  /** "Free swap: 12 MB (/proc/meminfo SwapFree)", one a figure. */
  evidence: string[]
  /** What could be done, by title. */
  solutions: string[]
}

const SEVERITIES: Record<Severity, string> = { critical: 'critical', warning: 'warning', advice: 'advice', information: 'to know' }

const evidenceText = ({ what, value, unit, source }: Figure): string => `${what}: ${figureText(value, unit)} (${source})`

/**
 * Explanations name agents, programs and folders of any time, which no list of
 * names covers. So without private data a row has the rule's own title and
 * bare figures: with their source only where the finding is about the machine.
 */
export const findingRows = (found: ReportFindings | null, privacy: Privacy): FindingRow[] =>
  (found?.findings ?? []).map((finding: Finding): FindingRow => {
    const { rule, subject } = finding
    const severity = SEVERITIES[finding.severity]
    const solutions = finding.solutions.map(({ title }) => title)
    if (privacy.private) return { severity, rule, subject, title: finding.title, why: finding.explanation, evidence: finding.figures.map(evidenceText), solutions }
    const numbers = finding.figures.filter(({ value }) => typeof value === 'number')
    return {
      severity, rule, subject: '', title: found?.titleOf(rule) ?? rule, why: '',
      evidence: subject === '' ? numbers.map((figure) => privacy.text(evidenceText(figure))) : numbers.slice(0, 1).map(({ value, unit }) => figureText(value, unit)),
      solutions: [],
    }
  })
