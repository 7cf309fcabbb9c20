import type { Agent } from '../../../helper/contract/agents.ts'
import type { PresetSettings } from '../../../helper/contract/presets.ts'
import type { AgentTarget } from '../../../helper/contract/requests.ts'

/** With fewer idle agents of a kind, leaving one alone would cost more than its comparison is worth. */
export const CONTROL_FROM = 3

export interface Choice {
  treated: Agent[]
  control: Agent[]
}

/** Idle for at least this long, by the figure that was measured; an unknown idle time is not idle. A suspended one has nothing more to give, and would be no measure for others. */
const idleFor = (agent: Agent, minIdleMs: number): boolean =>
  agent.state !== 'suspended' && (minIdleMs === 0 || (agent.idleMs.value !== null && agent.idleMs.value >= minIdleMs && agent.state !== 'active'))

/**
 * Which agents a preset treats and which it leaves alone as the control.
 *
 * Treated are those idle for the preset's `minIdleMs` (all, when it reclaims
 * nothing: then the machine-wide layers act on every agent). Where control is
 * wanted, of each kind with at least three such agents the one of median cost
 * is left alone: neither the biggest gain is given away nor a dwarf compared.
 * Agents named by the caller are taken as named, busy or not, and none of
 * them is left alone; machine-wide layers cannot leave one agent alone, so a
 * preset without reclaim has no control. `idleAfterMs` is the least idle time
 * where nobody named any, for actions, which ask for none of their own.
 */
export const chooseAgents = (
  agents: readonly Agent[],
  settings: PresetSettings,
  wish: { readonly keepControl: boolean; readonly agentIds: readonly string[] | null; readonly controlIds?: readonly string[] | null; readonly idleAfterMs?: number },
): Choice => {
  const live = agents.filter((agent) => agent.state !== 'gone')
  const named = (ids: readonly string[]): Agent[] => live.filter((agent) => ids.includes(agent.id))
  const minIdleMs = settings.reclaim === undefined ? undefined : Math.max(settings.reclaim.minIdleMs, wish.idleAfterMs ?? 0)
  const explicit = wish.controlIds ?? null
  const candidates = wish.agentIds !== null ? named(wish.agentIds) : minIdleMs === undefined ? live : live.filter((agent) => idleFor(agent, minIdleMs))

  if (explicit !== null) {
    const control = named(explicit)
    return { treated: candidates.filter((agent) => !explicit.includes(agent.id)), control }
  }
  if (!wish.keepControl || minIdleMs === undefined || wish.agentIds !== null) return { treated: candidates, control: [] }

  const control: Agent[] = []
  for (const kind of new Set(candidates.map((agent) => agent.kind))) {
    const same = candidates.filter((agent) => agent.kind === kind).toSorted((a, b) => a.cost.costBytes - b.cost.costBytes || a.id.localeCompare(b.id))
    const middle = same[Math.floor(same.length / 2)]
    if (same.length >= CONTROL_FROM && middle !== undefined) control.push(middle)
  }
  return { treated: candidates.filter((agent) => !control.includes(agent)), control }
}

/** As the helper wants it: every process with its start time, so that none is mistaken. */
export const targetOf = (agent: Agent): AgentTarget => ({
  id: agent.id,
  title: agent.title.slice(0, 128),
  idleMs: agent.idleMs.value,
  kind: agent.kind,
  processes: agent.processes.slice(0, 512).map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })),
})
