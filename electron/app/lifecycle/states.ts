import type { Agent } from '../../../helper/contract/agents.ts'
import type { BusyReason, RegistryEntry } from '../../../helper/contract/lifecycle.ts'
import type { Registry } from '../../../helper/contract/requests.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import type { Reading } from '../../../helper/contract/reading.ts'

/** Reasons that say it works; the others only say that it is to be left alone, or that nobody has watched for long enough. */
const AT_WORK = new Set<BusyReason>(['hook', 'cpu', 'terminal-output', 'terminal-input', 'network', 'tool', 'subagent', 'starting'])

const idleMsOf = (agent: Agent, { activity }: RegistryEntry): Reading => {
  if (activity.reasons.some(({ reason }) => AT_WORK.has(reason))) return known(0)
  // Quiet, if perhaps not to be suspended: pinned, or without a terminal.
  return activity.idleMs.value === null ? agent.idleMs : activity.idleMs
}

/**
 * Agents with what the registry knows better than a look at the processes: who
 * is suspended, and who waits for its model rather than for its user.
 */
export const withRegistry = (agents: readonly Agent[], registry: Registry | null): Agent[] => {
  if (registry === null) return [...agents]
  const entries = new Map(registry.entries.map((entry) => [entry.id, entry]))
  return agents.map((agent): Agent => {
    const entry = entries.get(agent.id)
    if (entry === undefined || agent.state === 'gone') return agent
    if (entry.state === 'suspended') return { ...agent, state: 'suspended' }
    // Woken since the look at its processes: no longer suspended, and nothing is known of its idle time.
    if (agent.state === 'suspended') return { ...agent, state: 'active', idleMs: idleMsOf({ ...agent, idleMs: known(0) }, entry) }
    return { ...agent, idleMs: idleMsOf(agent, entry) }
  })
}

/** Only who is suspended: plans are made from idle times as the processes show them. */
export const withSuspended = (agents: readonly Agent[], registry: Registry | null): Agent[] => {
  const suspended = new Set((registry?.entries ?? []).filter((entry) => entry.state === 'suspended').map((entry) => entry.id))
  return suspended.size === 0 ? [...agents] : agents.map((agent) => (suspended.has(agent.id) && agent.state !== 'gone' ? { ...agent, state: 'suspended' } : agent))
}

/**
 * What suspending is worth now: what each cost before it was frozen less what
 * it costs by the newest measurement, or less what was measured right after
 * where none is newer. An agent of which nothing can be measured counts by the latter.
 */
export const suspendedWon = (agents: readonly Agent[], registry: Registry | null, measuredAtMs: number): Reading => {
  if (registry === null) return missing('not-measured', 'The registry of agents has not been read yet.')
  const byId = new Map(agents.map((agent) => [agent.id, agent]))
  let bytes = 0
  for (const { id, state, suspension } of registry.entries) {
    const agent = byId.get(id)
    if (state !== 'suspended' || suspension === null || agent === undefined) continue
    const settled = measuredAtMs > suspension.sinceMs + suspension.freezeMs + suspension.reclaimMs && agent.cost.unmeasured === 0
    bytes += settled ? suspension.before.costBytes - agent.cost.costBytes : suspension.wonBytes
  }
  return known(bytes)
}
