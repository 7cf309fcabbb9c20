import type { z } from 'zod'
import type { reclaimSettingsSchema } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { AgentTarget } from '../contract/requests.ts'
import { emptyDraft, type Draft } from './draft.ts'
import { kernelName } from './present.ts'

const duration = (ms: number): string => {
  const seconds = Math.round(ms / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`
}

export interface ReclaimInput {
  settings: z.infer<typeof reclaimSettingsSchema>
  probe: Probe
  agents: readonly AgentTarget[]
  /** Compressed swap is active now or planned in this plan. */
  compressedSwap: boolean
}

/**
 * One step an idle agent. Whether it goes through the agent's own cgroup or
 * through process_madvise is decided by the helper when it runs: a path in a
 * request would be a path that root is told to write.
 */
export const planReclaim = ({ settings, probe, agents, compressedSwap }: ReclaimInput): Draft => {
  const draft = emptyDraft()
  const skip = (what: string, reason: string, kind: 'impossible' | 'not-needed') =>
    draft.skipped.push({ source: 'reclaim', what, reason, kind })

  if (!compressedSwap) {
    skip(
      'page out idle agents',
      'there is no compressed swap, and none is planned: paging out to plain disk frees next to nothing and leaves secrets on it',
      'impossible',
    )
    return draft
  }
  if (!probe.processMadvise && !probe.cgroup.memoryReclaim) {
    skip('page out idle agents', `needs Linux 5.10 (process_madvise) or a cgroup with memory.reclaim (5.19), this is ${kernelName(probe)}`, 'impossible')
    return draft
  }
  if (agents.length === 0) {
    skip('page out idle agents', 'no agent is running', 'not-needed')
    return draft
  }
  for (const agent of agents) {
    if (agent.idleMs === null) skip(agent.title, 'it is not known yet how long it has been idle', 'not-needed')
    else if (agent.idleMs < settings.minIdleMs) skip(agent.title, `it was busy ${duration(agent.idleMs)} ago; this preset waits for ${duration(settings.minIdleMs)} of idleness`, 'not-needed')
    else {
      draft.steps.push({
        source: 'reclaim',
        operation: { op: 'reclaim', agentId: agent.id, title: agent.title, processes: agent.processes, cgroup: null },
        target: agent.title,
        old: null,
        new: 'paged out to compressed swap',
        undoClass: 'now',
        undo: 'nothing to undo: pages come back when the agent touches them',
        why: 'It is idle, so its memory can wait compressed; its first key after that takes some hundredths of a second longer.',
      })
    }
  }
  return draft
}
