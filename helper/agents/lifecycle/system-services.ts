import type { AgentServices } from '../../dispatch.ts'
import { processStartTicks } from '../../actions/process-check.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Ability } from '../../contract/lifecycle.ts'
import type { AgentLimits } from '../cgroups/limits.ts'
import type { Lifecycle } from './lifecycle.ts'

export interface AgentServicesDeps {
  root: string
  lifecycle: Lifecycle
  /** null: this machine has no cgroups to limit. */
  limits: AgentLimits | null
  limitAbility: Ability
  /** Nothing is changed until what an interrupted run left behind is taken back. */
  recovered: <T>(then: () => Promise<Result<T>>) => Promise<Result<T>>
}

/** The system role's answers to requests about agents. */
export const createAgentServices = ({ root, lifecycle, limits, limitAbility, recovered }: AgentServicesDeps): AgentServices => ({
  suspend: (caller, request) =>
    recovered(() => {
      const startTimeTicks = processStartTicks(root, caller.pid)
      return lifecycle.suspend({ uid: caller.uid, process: startTimeTicks === null ? null : { pid: caller.pid, startTimeTicks } }, request)
    }),
  // Never behind recovery: thawing is what must always be possible.
  resume: async (uid, { agentIds, cause }) => ok(await lifecycle.resume(uid, agentIds, cause)),
  held: async (uid) => ok({
    suspended: lifecycle.suspended(uid),
    guard: await lifecycle.guard(uid),
    limits: limits?.views(uid) ?? [],
    suspend: lifecycle.ability(),
    limit: limitAbility,
  }),
  limit: (caller, { agent, limits: wanted }) =>
    recovered(async () => (limits === null || limitAbility.how === null ? fail('not-supported', limitAbility.text, { advice: 'Suspend the agent instead.' }) : limits.set(agent, caller.uid, wanted))),
  trim: (uid, { agent, mostBytes }) => recovered(() => lifecycle.trim(uid, agent, mostBytes)),
})
