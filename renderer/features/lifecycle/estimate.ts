import type { Live } from '../../../electron/contract/views.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import { missing, known } from '../../../helper/contract/known.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import type { Registry } from '../../../helper/contract/requests.ts'

export interface Estimate {
  bytes: Reading
  /** What it rests on, in a sentence. */
  basis: string
}

const anonOf = (agent: Agent): number => agent.cost.anonBytes.value ?? 0
const sum = <T>(list: readonly T[], of: (item: T) => number): number => list.reduce((total, item) => total + of(item), 0)

/**
 * What suspending these agents would win: their anonymous memory times the
 * share that came free of agents suspended now, else the share the app
 * estimates for idle ones. No basis, no figure.
 */
export const estimateWin = (chosen: readonly Agent[], live: Live, registry: Registry | null): Estimate => {
  const anon = sum(chosen, anonOf)
  const past = (registry?.entries ?? []).flatMap((entry) => (entry.suspension === null || entry.suspension.before.residentAnonBytes === 0 ? [] : [entry.suspension]))
  const pastAnon = sum(past, (entry) => entry.before.residentAnonBytes)
  if (pastAnon > 0) return { bytes: known(Math.round(Math.max(0, anon * (sum(past, (entry) => entry.wonBytes) / pastAnon)))), basis: `As much of their own memory as came free of the ${past.length} suspended now.` }
  const idleAnon = sum(live.agents.filter((agent) => agent.state === 'idle'), anonOf)
  const back = live.totals.couldGetBackBytes
  if (back.value === null || idleAnon === 0) return { bytes: missing('not-measured', 'Nothing to go by yet.'), basis: 'There is nothing to go by yet.' }
  return { bytes: known(Math.round(anon * Math.min(1, back.value / idleAnon))), basis: live.totals.couldGetBackBasis }
}
