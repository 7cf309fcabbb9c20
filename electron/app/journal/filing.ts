import { LEADS_TO, type Deed } from '../../contract/deeds.ts'
import type { Solution } from '../../contract/diagnosis.ts'

/**
 * Each deed is filed in the journal under a name of its own, in the place of a
 * preset's id, so that every finding whose solution leads there finds what came
 * of it, whichever finding it was done for, or none. No preset's id has a colon.
 */
export const deedId = (deed: Deed): string => `did:${deed}`

/** The solution that leads to it; its id stands beside the entry. */
export const solutionOf = (deed: Deed): string | null => [...LEADS_TO].find(([, to]) => to === deed)?.[0] ?? null

/** Under what the journal files what came of this solution, whichever finding it was for; null where only this finding's own entries count. */
export const filedUnder = ({ id, act }: Pick<Solution, 'id' | 'act'>): string | null => {
  if (act.how === 'preset') return act.presetId
  const deed = act.how === 'page' ? LEADS_TO.get(id) : undefined
  return deed === undefined ? null : deedId(deed)
}
