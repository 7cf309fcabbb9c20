import type { Solution } from './diagnosis.ts'

/** What the program does with agents and their files besides runs, and writes down itself. */
export type Deed = 'suspend' | 'trim' | 'limit' | 'end-leftovers' | 'free' | 'fix' | 'policy'

/** Where solutions lead that open a page; the first of each stands beside the entries. */
export const LEADS_TO: ReadonlyMap<string, Deed> = new Map([
  ['suspend-idle', 'suspend'],
  ['suspend-it', 'suspend'],
  ['limit-agents', 'limit'],
  ['limit-it', 'limit'],
  ['end-leftovers', 'end-leftovers'],
])

/** Whether nobody but the user can say that it was done: the program neither does it nor sees it, as with ending an agent. */
export const isByHand = ({ id, act }: Pick<Solution, 'id' | 'act'>): boolean => act.how === 'advice' || act.how === 'command' || (act.how === 'page' && (act.page === 'agents' || act.page === 'leftovers') && !LEADS_TO.has(id))
