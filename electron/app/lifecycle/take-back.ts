import type { Failure, Result } from '../../../helper/contract/errors.ts'
import type { Fix, LifecycleCause } from '../../../helper/contract/lifecycle.ts'
import type { Limits, LimitView } from '../../../helper/contract/limits.ts'
import type { SessionResponse } from '../../../helper/contract/requests.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Takes every limit away. */
export const NO_LIMITS: Limits = { lowBytes: null, highBytes: null, maxBytes: null, swapMaxBytes: null, zswapMaxBytes: null }
export const NO_AGENT_LIMITS: Limits = { ...NO_LIMITS, toolsHighBytes: null }

export interface AgentsBack {
  resumed: SessionResponse<'Resume'>['resumed']
  left: SessionResponse<'Resume'>['left']
  limits: LimitView[]
  problems: Failure[]
}

/** Every agent runs, no limit and no budget is left. Each part is tried whatever became of the others. */
export const agentsBack = async (lifecycle: Pick<Lifecycle, 'change' | 'look'>, cause: LifecycleCause): Promise<AgentsBack> => {
  const problems: Failure[] = []
  const valueOf = <T>(result: Result<T>): T | null => {
    if (result.ok) return result.value
    problems.push(result.error)
    return null
  }
  const woken = valueOf(await lifecycle.change('Resume', { ids: null, cause }))
  const limits: LimitView[] = []
  const registry = valueOf(await lifecycle.look())
  for (const { id, limit } of registry?.entries ?? []) {
    if (limit === null || limit.state === 'undone') continue
    const view = valueOf(await lifecycle.change('Limit', { id, limits: NO_AGENT_LIMITS }))
    if (view !== null) limits.push(view)
  }
  if (registry !== null && registry.budget !== null && registry.budget.state !== 'undone') {
    const view = valueOf(await lifecycle.change('Limit', { id: null, limits: NO_LIMITS }))
    if (view !== null) limits.push(view)
  }
  if (registry !== null && registry.policy.budgetBytes !== null) valueOf(await lifecycle.change('SetPolicy', { policy: { ...registry.policy, budgetBytes: null } }))
  return { resumed: woken?.resumed ?? [], left: woken?.left ?? [], limits, problems }
}

/** Hooks, shims and cures out of the user's files again; those somebody changed since stay, and are named. */
export const fixesBack = async (session: Pick<SessionClient, 'call'>): Promise<{ undone: Fix[]; problems: Failure[] }> => {
  const found = await session.call('Fixes', {})
  if (!found.ok) return { undone: [], problems: [found.error] }
  const undone: Fix[] = []
  const problems: Failure[] = []
  for (const fix of found.value.fixes) {
    if (fix.state === 'changed-since') problems.push({ code: 'read-back-differs', message: `"${fix.title}" was changed since it was applied and stays as it is.`, about: fix.id, advice: 'Take it out by hand where you do not want it.' })
    if (fix.state !== 'applied') continue
    const answer = await session.call('UndoFix', { id: fix.id })
    if (answer.ok) undone.push(answer.value)
    else problems.push(answer.error)
  }
  return { undone, problems }
}
