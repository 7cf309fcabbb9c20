import type { AgentId } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import type { Policy } from '../../contract/lifecycle.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import type { Registry } from '../registry/registry.ts'
import type { Keeper } from './keeper.ts'

/** Gives agents cgroups of their own, where the user's systemd can. */
export interface OwnPlaces {
  readonly place: (agent: AgentTarget) => Promise<Result<unknown>>
  readonly unplace: (id: AgentId) => Promise<unknown>
}

export interface StandingOptions {
  readonly policy: () => Policy
  readonly registry: Registry
  readonly keeper: Keeper
  readonly places: () => OwnPlaces | null
  readonly tell: (text: string) => void
  readonly nowMs: () => number
}

/** A budget that was refused (no password yet, no helper) is tried again this much later. */
const AGAIN_MS = 10 * 60_000

/**
 * What the policy keeps in force beside suspending: the budget of all agents,
 * and cgroups of their own. Both end with a session role, so the next one sets
 * them again. Called with each look; does nothing where all is as it should be.
 */
export const createStanding = ({ policy, registry, keeper, places, tell, nowMs }: StandingOptions): (() => Promise<void>) => {
  const placed = new Set<AgentId>()
  const refused = new Set<AgentId>()
  let budgetAtMs = Number.NEGATIVE_INFINITY

  const holdBudget = async (): Promise<void> => {
    const wanted = policy().budgetBytes
    const now = keeper.facts().budget
    if (wanted === null || now?.limits.highBytes === wanted || nowMs() - budgetAtMs < AGAIN_MS) return
    budgetAtMs = nowMs()
    if (keeper.refreshedAtMs() === null) await keeper.refresh()
    // One that was taken back because it did harm is not forced again.
    if (keeper.facts().budget !== null) return
    const limited = await keeper.limit(null, { highBytes: wanted }, 'policy', false)
    if (!limited.ok) tell(`budget: ${limited.error.message}`)
  }

  const placeNew = async (own: OwnPlaces): Promise<void> => {
    for (const { entry, agent } of registry.all()) {
      if (entry.state === 'gone' || entry.suspension !== null || agent.ownCgroup || placed.has(entry.id) || refused.has(entry.id)) continue
      const target = registry.target(entry.id)
      if (!target.ok) continue
      const done = await own.place(target.value)
      // Asked once: what keeps it where it is does not change with the next look.
      if (done.ok) placed.add(entry.id)
      else {
        refused.add(entry.id)
        tell(`cgroup of its own: ${done.error.message}`)
      }
    }
  }

  const putBack = async (own: OwnPlaces): Promise<void> => {
    for (const id of placed) await own.unplace(id)
    placed.clear()
    refused.clear()
  }

  return async () => {
    if (registry.all().some(({ entry }) => entry.state !== 'gone')) await holdBudget()
    const own = places()
    if (own === null) return
    if (policy().ownCgroups) await placeNew(own)
    else if (placed.size > 0) await putBack(own)
    for (const ids of [placed, refused]) for (const id of ids) if ((registry.get(id)?.entry.state ?? 'gone') === 'gone') ids.delete(id)
  }
}
