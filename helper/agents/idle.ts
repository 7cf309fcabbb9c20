import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import type { AgentState, ProcessRole } from '../contract/agents.ts'
import { TICK_MS } from '../observe/kernel.ts'
import type { AgentTree } from './discover.ts'

/**
 * Above this share of one core, in percent, a tree is at work. Seen at the
 * prompt: Claude Code 0.3, Gemini CLI 0, Codex 0.3; waiting for an answer:
 * Codex 1.5 to 2, Claude Code and Gemini CLI 6. An agent whose prompt takes
 * more (opencode 2, and 22 while waiting) says so in its signature.
 */
const NOTEWORTHY_PERCENT = 1.2
/**
 * A burst of this much CPU time is forgiven: garbage collection at the prompt
 * was seen to take up to 240 ms of Gemini CLI and 420 ms of opencode, once a
 * minute. Work that goes on spends more within seconds (Claude Code waiting for
 * an answer: after 8 s).
 */
const FORGIVEN_BURST_MS = 500
/** Two ticks: less cannot be told from the coarseness of the counter. */
const NOTEWORTHY_LEAST_MS = 2 * TICK_MS
/** Looks closer together than this are judged as one: a tick in 50 ms would read as 20 % of a core. */
const SHORTEST_INTERVAL_MS = 1_900
/** So long without noteworthy work, an agent counts as idle. */
export const IDLE_AFTER_MS = 5_000

const WORKING_ROLES = new Set<ProcessRole>(['tool', 'test-run', 'build'])

interface Record {
  ticks: number
  measuredAtMs: number
  quietSinceMs: number
  /** CPU time of the noteworthy looks in a row up to the last one. */
  burstMs: number
  /** A rate needs two looks. */
  rated: boolean
}

export interface IdleWatch {
  /** Takes note of a tree and says what is known about its idleness. */
  readonly look: (id: string, tree: AgentTree, nowMs: number) => { idleMs: Reading; state: AgentState }
  readonly keep: (ids: ReadonlySet<string>) => void
}

/**
 * CPU time of the tree. Time of ended children moves to the parent that waits
 * for them, so the sum does not fall when a tool ends.
 */
const ticksOf = (tree: AgentTree): number =>
  tree.members.reduce((sum, { stat }) => sum + stat.cpuTicks + stat.endedChildrenTicks, 0)

const runsTool = (tree: AgentTree): boolean =>
  tree.holdsAgents || tree.members.some(({ role, stat }) => WORKING_ROLES.has(role) && stat.kernelState !== 'Z')

const isStopped = (tree: AgentTree): boolean =>
  tree.members.every(({ role, stat }) => role !== 'main' || stat.kernelState === 'T' || stat.kernelState === 't')

/**
 * Idleness from CPU time between looks. At the first look nothing is known:
 * `idleMs` is missing and the state is "active", so that nothing acts on an
 * agent before it was seen to be quiet. Time before the first look never
 * counts as idle.
 */
export const createIdleWatch = (): IdleWatch => {
  const records = new Map<string, Record>()
  return {
    look: (id, tree, nowMs) => {
      const ticks = ticksOf(tree)
      let record = records.get(id)
      if (record === undefined) {
        record = { ticks, measuredAtMs: nowMs, quietSinceMs: nowMs, burstMs: 0, rated: false }
        records.set(id, record)
      }
      const elapsedMs = nowMs - record.measuredAtMs
      if (elapsedMs >= SHORTEST_INTERVAL_MS) {
        const usedMs = (ticks - record.ticks) * TICK_MS
        const quietPercent = tree.signature.idleCpuPercent ?? NOTEWORTHY_PERCENT
        const noteworthy = usedMs > Math.max(NOTEWORTHY_LEAST_MS, (elapsedMs * quietPercent) / 100)
        record.burstMs = noteworthy ? record.burstMs + usedMs : 0
        if (record.burstMs > FORGIVEN_BURST_MS) record.quietSinceMs = nowMs
        record.ticks = ticks
        record.measuredAtMs = nowMs
        record.rated = true
      }
      const busy = runsTool(tree)
      if (busy) record.quietSinceMs = nowMs
      const idleMs: Reading = record.rated || busy ? known(Math.max(0, Math.round(nowMs - record.quietSinceMs))) : missing('not-measured', 'idle time needs two looks')
      if (isStopped(tree)) return { idleMs, state: 'suspended' }
      return { idleMs, state: idleMs.value !== null && idleMs.value >= IDLE_AFTER_MS ? 'idle' : 'active' }
    },
    keep: (ids) => {
      for (const id of records.keys()) if (!ids.has(id)) records.delete(id)
    },
  }
}
