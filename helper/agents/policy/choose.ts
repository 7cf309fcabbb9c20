import type { AgentId } from '../../contract/agents.ts'
import type { Policy } from '../../contract/lifecycle.ts'
import type { AgentRecord } from '../registry/registry.ts'

/** After it was woken, whoever woke it is left in peace for so long. */
export const LEFT_ALONE_MS = 2 * 60_000
/** A try that failed is not repeated with every look. */
const RETRY_MS = 5 * 60_000
/** With less than this share of memory available, idle agents are suspended after a quarter of the time. */
const SCARCE_SHARE = 0.1
const LEAST_IDLE_MS = 30_000

export interface Conditions {
  readonly nowMs: number
  readonly availableBytes: number
  readonly totalBytes: number
  /** Tries that failed, by agent: Unix time. */
  readonly failedAtMs: ReadonlyMap<AgentId, number>
}

/** For how long an agent has to be idle now. Memory that runs short shortens it; it never lengthens. */
export const idleNeeded = (policy: Policy, { availableBytes, totalBytes }: Pick<Conditions, 'availableBytes' | 'totalBytes'>): number => {
  const wanted = policy.suspend.afterIdleMs
  const scarce = totalBytes > 0 && availableBytes < totalBytes * SCARCE_SHARE
  return scarce ? Math.min(wanted, Math.max(LEAST_IDLE_MS, wanted / 4)) : wanted
}

/** When the policy will suspend this agent if nothing changes; null: not as things are. */
export const suspendsAt = ({ entry, lastWakeMs }: AgentRecord, policy: Policy, conditions: Conditions): number | null => {
  const { activity } = entry
  if (!policy.suspend.auto || entry.pinned || entry.suspension !== null || entry.state !== 'idle') return null
  if (!activity.idle || activity.idleMs.value === null || activity.reasons.length > 0) return null
  const idleSinceMs = conditions.nowMs - activity.idleMs.value
  return Math.max(
    idleSinceMs + idleNeeded(policy, conditions),
    (lastWakeMs ?? 0) + LEFT_ALONE_MS,
    (conditions.failedAtMs.get(entry.id) ?? Number.NEGATIVE_INFINITY) + RETRY_MS,
  )
}

/** The one to suspend now: least important first, then idle longest. */
export const chooseToSuspend = (records: readonly AgentRecord[], policy: Policy, conditions: Conditions): AgentRecord | null => {
  const due = records.filter((record) => {
    const atMs = suspendsAt(record, policy, conditions)
    return atMs !== null && atMs <= conditions.nowMs && record.entry.doing === null
  })
  const idleOf = (record: AgentRecord): number => record.entry.activity.idleMs.value ?? 0
  return due.toSorted((a, b) => a.entry.importance - b.entry.importance || idleOf(b) - idleOf(a))[0] ?? null
}
