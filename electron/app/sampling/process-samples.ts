import type { Agent } from '../../../helper/contract/agents.ts'
import { readProcesses } from '../../../helper/observe/evidence/processes.ts'
import { processSeriesId, type ProcessSample } from '../history/types.ts'

/** Growth is told over hours; a look at every process of the user costs some tens of ms. */
export const PROCESSES_EVERY_MS = 60_000
/** The largest only: a leak is among them long before it hurts. */
const PROCESSES_MOST = 64
/** Smaller ones cannot have grown enough to matter. */
const LEAST_BYTES = 16 * 1024 * 1024

export interface ProcessSampling {
  /** The user's largest processes, where it is time to look again; else none. `bootId`: of this boot. */
  take(agents: readonly Agent[], bootId: string): Promise<readonly ProcessSample[]>
}

/**
 * What the user's processes hold of their own, in memory and in swap: unlike
 * their cost it stays the same when they are paged out, so a leak shows.
 */
export const createProcessSampling = (root: string, uid: number | null, now: () => number): ProcessSampling => {
  let dueMs = -Infinity
  return {
    async take(agents, bootId) {
      if (now() < dueMs) return []
      dueMs = now() + PROCESSES_EVERY_MS
      const titles = new Map(agents.map((agent) => [agent.id, agent.title]))
      const labels = new Map(agents.flatMap((agent) => agent.processes.map((process): [string, string] => [`${process.pid}:${process.startTimeTicks}`, process.label])))
      const { processes } = await readProcesses(root, { uid, agents, rollups: 0, memoryFiles: false, nodes: 1, captured: null })
      return processes
        .flatMap(({ ref, title, agentId, anonBytes, swapBytes }) => {
          if (anonBytes.value === null) return []
          const bytes = anonBytes.value + (swapBytes.value ?? 0)
          const label = labels.get(`${ref.pid}:${ref.startTimeTicks}`) ?? title
          const agent = agentId === null ? undefined : titles.get(agentId)
          return bytes < LEAST_BYTES ? [] : [{ id: processSeriesId(bootId, ref, agentId), label: agent === undefined ? label : `${label} (${agent})`, bytes }]
        })
        .toSorted((a, b) => b.bytes - a.bytes || a.id.localeCompare(b.id))
        .slice(0, PROCESSES_MOST)
    },
  }
}
