import type { Finding, Severity } from '../../contract/diagnosis.ts'
import { figureInOrder, offerInOrder } from './in-order.ts'
import type { Found, Judgement, Looks, Rule } from './rule.ts'

const RANK: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, advice: 2, information: 3 }

/** What a finding costs: its first figure in bytes, which rules give before those that only explain. 0 where it has none. */
export const costOf = (finding: Pick<Finding, 'figures'>): number => {
  const bytes = finding.figures.find((figure) => figure.unit === 'bytes' && typeof figure.value === 'number')?.value
  return typeof bytes === 'number' && Number.isFinite(bytes) ? Math.abs(bytes) : 0
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Most severe first, then the dearest; names last, so that the order never hangs on chance. */
export const bySeverity = (a: Finding, b: Finding): number =>
  RANK[a.severity] - RANK[b.severity] || costOf(b) - costOf(a) || byName(a.rule, b.rule) || byName(a.subject, b.subject)

const findingOf = (rule: Rule, found: Found): Finding => ({
  rule: rule.id,
  subject: found.subject,
  severity: found.severity,
  topic: rule.topic,
  title: found.title ?? rule.title,
  explanation: found.explanation,
  figures: found.figures.map(figureInOrder),
  solutions: found.solutions.map((offer) => ({ ...offerInOrder(offer), before: [] })),
  lookDeeper: [...rule.lookDeeper],
})

/** A finding with what its rule said of other rules' subjects. */
interface Told {
  readonly finding: Finding
  readonly about: ReadonlySet<string>
  readonly covers: readonly string[]
}

const isCoveredBy = (weak: Told, strong: Told): boolean => {
  const isAbove = strong.covers.includes(weak.finding.rule)
  if (!isAbove && !weak.covers.includes(strong.finding.rule)) return false
  const lead = RANK[weak.finding.severity] - RANK[strong.finding.severity]
  return (lead > 0 || (lead === 0 && isAbove)) && (strong.about.has(weak.finding.subject) || weak.about.has(strong.finding.subject))
}

type Outcome = { readonly told: readonly Told[] } | { readonly needs: string }

const whatFailed = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * A rule that throws is a bug of ours, and must not cost the user the other
 * rules: it counts as one that could not look, and says so.
 */
const ask = (rule: Rule, looks: Looks): Outcome => {
  try {
    const lacking = rule.needs.flatMap((need) => need(looks) ?? [])
    if (lacking.length > 0) return { needs: [...new Set(lacking)].join('; ') }
    const told = rule.find(looks, rule.thresholds).map((found): Told => ({ finding: findingOf(rule, found), about: new Set([found.subject, ...(found.about ?? [])]), covers: rule.covers ?? [] }))
    const subjects = new Set(told.map(({ finding }) => finding.subject))
    return subjects.size === told.length ? { told } : { needs: 'the rule failed: it named the same subject twice' }
  } catch (error) {
    return { needs: `the rule failed: ${whatFailed(error)}` }
  }
}

/**
 * Runs every rule whose needs are met. The same rules and looks give the same
 * answer to the byte: nothing here asks a clock, a machine or the locale.
 */
export const judge = (rules: readonly Rule[], looks: Looks): Judgement => {
  const all: Told[] = []
  const asked: string[] = []
  const couldNotLook: Judgement['couldNotLook'][number][] = []
  for (const rule of rules) {
    const outcome = ask(rule, looks)
    if ('needs' in outcome) couldNotLook.push({ rule: rule.id, needs: outcome.needs })
    else {
      asked.push(rule.id)
      all.push(...outcome.told)
    }
  }
  const findings = all.filter((weak) => !all.some((strong) => isCoveredBy(weak, strong))).map(({ finding }) => finding)
  const speaking = new Set(findings.map(({ rule }) => rule))
  return {
    findings: findings.toSorted(bySeverity),
    silent: asked.filter((id) => !speaking.has(id)).toSorted(byName),
    couldNotLook: couldNotLook.toSorted((a, b) => byName(a.rule, b.rule)),
  }
}
