import type { Result } from '../../contract/errors.ts'
import { ok } from '../../contract/result.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import { hasReclaim } from '../../observe/cgroup.ts'
import { chargedShare } from '../cgroups/charged.ts'
import { liveTree } from '../cgroups/tree.ts'
import { footprintOf } from './footprint.ts'
import type { LifecycleState } from './lifecycle.ts'
import { pageOut } from './page-out.ts'

export interface Trimmed {
  /** Difference of the cost before and after: what went out less what it takes compressed. */
  wonBytes: number
  tookMs: number
  stoppedBy: string | null
}

/**
 * Pages out at most so much of a running agent. Which areas are cold the
 * kernel knows from the references since the trim before; the first one takes
 * the largest areas.
 */
export const trimAgent = async (state: LifecycleState, uid: number, agent: AgentTarget, mostBytes: number): Promise<Result<Trimmed>> => {
  const { deps, pace } = state
  const { root, kernel, placer, reclaimProgram } = deps
  const room = state.swapRoom()
  if (!room.ok) return room
  const tree = liveTree(root, uid, agent.processes)
  if (!tree.ok) return tree
  const startedMs = performance.now()
  const before = await footprintOf(root, tree.value)
  const own = 'place' in placer ? placer.find(agent.id) : null
  const charged = own !== null && hasReclaim(root, own) && chargedShare(root, own, tree.value.map(({ pid }) => pid)) ? own : null
  const out = await pageOut({ root, kernel, uid, processes: tree.value, program: reclaimProgram, charged, mostBytes: Math.min(mostBytes, room.value.freeBytes), lookMs: pace.pressureLookMs })
  if (!out.ok) return out
  const after = await footprintOf(root, tree.value)
  return ok({ wonBytes: before.costBytes - after.costBytes, tookMs: performance.now() - startedMs, stoppedBy: out.value.stoppedBy })
}
