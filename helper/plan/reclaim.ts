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

/** Quiet for less than this is active, as everywhere else; so is what has not been watched for long enough. */
const ACTIVE_WITHIN_MS = 5_000
const isActive = (agent: AgentTarget): boolean => agent.idleMs === null || agent.idleMs < ACTIVE_WITHIN_MS

const IDLE_WHY = 'It is idle, so its memory can wait compressed; its first key after that takes some hundredths of a second longer.'
const ACTIVE_WHY = 'It is active: it is slower for a moment, and the pages it works with come back at once. What it does not touch stays compressed.'

/** Paging out what is at work is allowed where somebody chose it by hand, and said before. */
const activeNote = (active: readonly AgentTarget[], all: number): string => {
  if (all === 1) return 'This agent is active, not idle: the pages it works with come back soon after, and it is slower until then.'
  const names = [...new Set(active.map((agent) => agent.title))].join(', ')
  return `${active.length} of these ${all} agents ${active.length === 1 ? 'is' : 'are'} active, not idle (${names}): the pages they work with come back soon after, and they are slower until then.`
}

export interface ReclaimInput {
  settings: z.infer<typeof reclaimSettingsSchema>
  probe: Probe
  agents: readonly AgentTarget[]
  /** Compressed swap is active now or planned in this plan. */
  compressedSwap: boolean
  /** The same plan asks for compressed swap, so that there is nothing to advise where it cannot be had. */
  swapAsked: boolean
}

/**
 * One step an idle agent. Whether it goes through the agent's own cgroup or
 * through process_madvise is decided by the helper when it runs: a path in a
 * request would be a path that root is told to write.
 */
export const planReclaim = ({ settings, probe, agents, compressedSwap, swapAsked }: ReclaimInput): Draft => {
  const draft = emptyDraft()
  const skip = (what: string, reason: string, kind: 'impossible' | 'not-needed') =>
    draft.skipped.push({ source: 'reclaim', what, reason, kind })

  if (!compressedSwap) {
    skip(
      'page out agents',
      `there is no compressed swap, and none is planned: paging out to plain disk frees next to nothing and leaves secrets on it${swapAsked ? '' : '. Turn on compressed swap first'}`,
      'impossible',
    )
    return draft
  }
  if (!probe.processMadvise && !probe.cgroup.memoryReclaim) {
    skip('page out agents', `needs Linux 5.10 (process_madvise) or a cgroup with memory.reclaim (5.19), this is ${kernelName(probe)}`, 'impossible')
    return draft
  }
  if (agents.length === 0) {
    skip('page out agents', 'none is running, or none has been idle for long enough', 'not-needed')
    return draft
  }
  // No idle time is asked for: the agents were chosen by hand.
  const byHand = settings.minIdleMs === 0
  for (const agent of agents) {
    if (!byHand && agent.idleMs === null) skip(agent.title, 'it is not known yet how long it has been idle', 'not-needed')
    else if (!byHand && agent.idleMs !== null && agent.idleMs < settings.minIdleMs) skip(agent.title, `it was busy ${duration(agent.idleMs)} ago; this preset waits for ${duration(settings.minIdleMs)} of idleness`, 'not-needed')
    else {
      draft.steps.push({
        source: 'reclaim',
        operation: { op: 'reclaim', agentId: agent.id, title: agent.title, processes: agent.processes, cgroup: null },
        target: agent.title,
        old: null,
        new: 'paged out to compressed swap',
        undoClass: 'now',
        undo: 'nothing to undo: pages come back when the agent touches them',
        why: isActive(agent) ? ACTIVE_WHY : IDLE_WHY,
      })
    }
  }
  const active = byHand ? agents.filter(isActive) : []
  if (active.length > 0) draft.notes.push(activeNote(active, agents.length))
  return draft
}
