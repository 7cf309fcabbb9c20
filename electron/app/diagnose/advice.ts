import type { Finding, JournalEntry, Solution } from '../../contract/diagnosis.ts'
import type { HistoryReader } from '../history/types.ts'
import { filedUnder } from '../journal/filing.ts'

/** As many as a user reads of one solution. */
const MOST_BEFORE = 5

const beforeOf = ({ atMs, outcome, gainBytes, note }: JournalEntry): Solution['before'] => (outcome === null ? [] : [{ atMs, outcome, gainBytes, note }])

/** What helped last time comes first, then what nobody tried, then what did not help, last what failed. */
const RANK = { kept: 0, untried: 1, 'no-gain': 2, undone: 2, failed: 3 } as const
const rankOf = ({ act, before: [last] }: Solution): number => {
  // Who was suspended wakes some time: that is its end, and no word against it.
  if (last?.outcome === 'undone' && act.how === 'page' && (last.gainBytes.value ?? 0) > 0) return RANK.kept
  return RANK[last?.outcome ?? 'untried']
}

/** Findings with what was seen of their solutions on this machine; of equals the rule's own order stays. */
export const withJournal = (findings: readonly Finding[], journal: Pick<HistoryReader, 'outcomesOf'>): Finding[] =>
  findings.map((finding) => {
    const solutions = finding.solutions.map((solution): Solution => {
      return { ...solution, before: journal.outcomesOf(finding.rule, solution.id, filedUnder(solution), MOST_BEFORE).flatMap(beforeOf) }
    })
    return { ...finding, solutions: solutions.toSorted((a, b) => rankOf(a) - rankOf(b)) }
  })
