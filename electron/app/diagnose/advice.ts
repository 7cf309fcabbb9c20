import type { Finding, JournalEntry, Solution } from '../../contract/diagnosis.ts'
import type { HistoryReader } from '../history/types.ts'

/** As many as a user reads of one solution. */
const MOST_BEFORE = 5

const beforeOf = ({ atMs, outcome, gainBytes, note }: JournalEntry): Solution['before'] => (outcome === null ? [] : [{ atMs, outcome, gainBytes, note }])

/** What helped last time comes first, then what nobody tried, then what did not help, last what failed. */
const RANK = { kept: 0, untried: 1, 'no-gain': 2, undone: 2, failed: 3 } as const
const rankOf = ({ before }: Solution): number => RANK[before[0]?.outcome ?? 'untried']

/** Findings with what was seen of their solutions on this machine; of equals the rule's own order stays. */
export const withJournal = (findings: readonly Finding[], journal: Pick<HistoryReader, 'outcomesOf'>): Finding[] =>
  findings.map((finding) => {
    const solutions = finding.solutions.map((solution): Solution => {
      const presetId = solution.act.how === 'preset' ? solution.act.presetId : null
      return { ...solution, before: journal.outcomesOf(finding.rule, solution.id, presetId, MOST_BEFORE).flatMap(beforeOf) }
    })
    return { ...finding, solutions: solutions.toSorted((a, b) => rankOf(a) - rankOf(b)) }
  })
