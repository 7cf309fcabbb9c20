import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { AgentTarget } from '../../../helper/contract/requests.ts'
import type { Preset } from '../../../helper/contract/presets.ts'
import { readProbe } from '../../../helper/observe/probe.ts'
import { makePlan } from '../../../helper/plan/make-plan.ts'
import type { PlanView } from '../../contract/views.ts'
import type { SystemClient } from '../helper-client/system-client.ts'
import type { Presets } from '../presets/presets.ts'
import { chooseAgents, targetOf } from './choose-agents.ts'

/** A plan that was shown, with all that applying it needs. */
export interface ShownPlan {
  readonly view: PlanView
  readonly preset: Preset
  readonly agents: AgentTarget[]
  readonly control: AgentTarget[]
  /** Null where nobody came from a finding. */
  readonly from: FoundFrom | null
}

/** The finding whose solution is being tried: the journal keeps what came of it. */
export interface FoundFrom {
  readonly rule: string
  readonly subject: string
  readonly solution: string
}

export interface PlanWish {
  readonly presetId: string
  readonly agentIds: readonly string[] | null
  readonly controlIds?: readonly string[] | null
  /** Settings of a solution, which are no preset of anybody's; without it `presetId` is looked up. */
  readonly preset?: Preset
  readonly from?: FoundFrom
}

export interface PlannerDeps {
  readonly root: string
  readonly system: Pick<SystemClient, 'call' | 'refresh'>
  readonly presets: Pick<Presets, 'get'>
  readonly agents: () => Promise<Result<readonly Agent[]>>
  readonly keepControl: () => boolean
  /** What the user's settings call idle: for actions, which ask for no idle time of their own. */
  readonly idleAfterMs: () => number
  readonly uid: number
}

export interface Planner {
  plan(wish: PlanWish): Promise<Result<PlanView>>
  /** The plan with this digest, if it was shown here; several windows may each have one. */
  shown(presetId: string, digest: string): ShownPlan | null
}

const REMEMBERED = 32

/**
 * Plans through the helper, which reads what a user may not; without a helper
 * the same planner runs here on what this user may read, and says "simulation".
 */
export const createPlanner = (deps: PlannerDeps): Planner => {
  const plans: ShownPlan[] = []

  const unknown = (agents: readonly Agent[], ids: readonly string[] | null | undefined): string[] =>
    (ids ?? []).filter((id) => !agents.some((agent) => agent.id === id))

  return {
    async plan(wish) {
      const found = wish.preset === undefined ? deps.presets.get(wish.presetId) : ok({ preset: wish.preset })
      if (!found.ok) return found
      const { preset } = found.value
      const seen = await deps.agents()
      // Without the session role nothing is known of agents; the machine's layers can still be planned.
      const agents = seen.ok ? seen.value : []
      const lost = [...unknown(agents, wish.agentIds), ...unknown(agents, wish.controlIds)]
      if (lost.length > 0) {
        return fail('process-gone', `${lost.length === 1 ? 'An agent' : `${lost.length} agents`} of this plan ${lost.length === 1 ? 'is' : 'are'} no longer running.`, { about: lost.join(', '), advice: 'Look at the agents again and choose anew.' })
      }
      const choice = chooseAgents(agents, preset.settings, { keepControl: deps.keepControl(), agentIds: wish.agentIds, controlIds: wish.controlIds ?? null, ...(preset.scope === 'action' ? { idleAfterMs: deps.idleAfterMs() } : {}) })
      const targets = choice.treated.map(targetOf)
      const state = await deps.system.refresh()
      const answer = state.system === 'ready' ? await deps.system.call('Plan', { settings: preset.settings, agents: targets }) : null
      if (answer !== null && !answer.ok && answer.error.code !== 'helper-missing' && answer.error.code !== 'helper-gone') return answer
      const simulation = answer === null || !answer.ok
      const plan = answer?.ok === true ? answer.value : makePlan({ settings: preset.settings, probe: readProbe(deps.root), agents: targets, ourSwap: [] })
      const view: PlanView = {
        presetId: preset.id,
        plan,
        simulation,
        treated: choice.treated.map((agent) => agent.id),
        control: choice.control.map((agent) => agent.id),
        // Whether a password is still kept from a moment ago only polkit knows.
        asksPassword: !simulation && deps.uid !== 0,
      }
      plans.push({ view, preset, agents: targets, control: choice.control.map(targetOf), from: wish.from ?? null })
      if (plans.length > REMEMBERED) plans.shift()
      return ok(view)
    },
    shown(presetId, digest) {
      return plans.findLast((entry) => entry.preset.id === presetId && entry.view.plan.digest === digest) ?? null
    },
  }
}
