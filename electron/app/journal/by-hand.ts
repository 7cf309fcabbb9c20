import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Request } from '../../contract/channels.ts'
import { isByHand } from '../../contract/deeds.ts'
import type { Diagnosis, Finding, Solution } from '../../contract/diagnosis.ts'
import { LEAKS_OF_HISTORY } from '../diagnose/rules/leaks-of-history.ts'
import type { NewEntry } from '../history/journal.ts'
import type { HistoryReader } from '../history/types.ts'

/** What the user did without the program: advice taken, a command typed. Only the user can say so. */

type Said = Request<'journal.did'>

export interface ByHandDeps {
  readonly reader: Pick<HistoryReader, 'foundAtMs' | 'findingsBetween'>
  /** What is found now. */
  readonly found: () => Promise<Result<Diagnosis>>
  /** A leak, by whichever limits of the user's it was shown, where anything of it is known. */
  readonly grown: (subject: string) => Promise<Result<Finding | null>>
}

const CAME_OF_IT: Readonly<Record<Said['outcome'], string>> = { kept: 'done by hand', 'no-gain': 'done by hand, but nothing was won', undone: 'done by hand and taken back' }

/** Kept with the entry that says it was found, and rounded to whole milliseconds there. */
const SLACK_MS = 1_000

const same = ({ rule, subject }: Pick<Said, 'rule' | 'subject'>) => (finding: Finding): boolean => finding.rule === rule && finding.subject === subject

/** As it was written down last; what helped is not found any more. */
const kept = (reader: ByHandDeps['reader'], said: Said): Finding | undefined => {
  const atMs = reader.foundAtMs(said.rule, said.subject)
  return atMs === null ? undefined : reader.findingsBetween(atMs - SLACK_MS, atMs + SLACK_MS)?.findings.find(same(said))
}

const chosen = (finding: Finding | undefined, said: Said): { finding: Finding; solution: Solution } | null => {
  const solution = finding?.solutions.find(({ id }) => id === said.solution)
  return finding === undefined || solution === undefined ? null : { finding, solution }
}

/** The entry of it, for a solution that was shown: now, or when it was found last. */
export const byHandEntry = async ({ reader, found, grown }: ByHandDeps, said: Said): Promise<Result<Omit<NewEntry, 'atMs' | 'kernelRelease'>>> => {
  const about = said.subject === '' ? said.rule : `${said.rule}: ${said.subject}`
  const past = kept(reader, said)
  let known = chosen(past, said)
  if (known === null) {
    const now = await found()
    if (!now.ok) return now
    let present = now.value.findings.find(same(said))
    if (present === undefined && said.rule === LEAKS_OF_HISTORY) {
      const leak = await grown(said.subject)
      if (!leak.ok) return leak
      present = leak.value ?? undefined
    }
    known = chosen(present, said)
    if (known === null) {
      const finding = present ?? past
      if (finding === undefined) return fail('bad-request', 'This was not found on this machine.', { about, advice: 'What is found: agentmemctl memory-diagnose. A note of your own takes anything: agentmemctl journal note.' })
      return fail('bad-request', `"${finding.title}" has no solution "${said.solution}".`, { about, expected: finding.solutions.map(({ id }) => id).join(', '), got: said.solution })
    }
  }
  const { finding, solution } = known
  if (!isByHand(solution)) return fail('bad-request', `"${solution.title}" is done by this program, which writes it down itself.`, { about: solution.id, advice: 'Do it from the page of the finding; a note can be added to its entry.' })
  return ok({
    kind: 'outcome', rule: finding.rule, subject: finding.subject, solution: solution.id, presetId: null, runId: null,
    title: `${solution.title}: ${CAME_OF_IT[said.outcome]}`,
    text: [`For: ${finding.title}`, ...(solution.act.how === 'command' ? [solution.act.command] : [])].join('\n'),
    note: said.note.trim(), outcome: said.outcome, gainBytes: null,
  })
}
