import type { AgentId } from '../../contract/agents.ts'
import type { LifecycleEvent, TrimmedAgents } from '../../contract/lifecycle.ts'

/**
 * Adds up what trimming won, whose steps come every quarter of a minute: one
 * line for all agents once it paused, or after an hour where it never does.
 */
export interface TrimTally {
  readonly add: (agent: { readonly id: AgentId; readonly title: string; readonly name: string }, wonBytes: number) => void
  /** After each look. */
  readonly look: () => void
  /** Nobody will look again: what is there is told now. */
  readonly end: () => void
}

/** Longer than an agent rests that has nothing more to give, so that a short rest ends nothing. */
const QUIET_MS = 12 * 60_000
const LONGEST_MS = 3600_000
/** Less waits for more: what the last pages of a rested agent give and take back is not worth a line. */
const LEAST_BYTES = 1024 * 1024

type One = TrimmedAgents['agents'][number]

export const createTrimTally = ({ nowMs, onEvent }: { readonly nowMs: () => number; readonly onEvent: (event: Omit<LifecycleEvent, 'seq'>) => void }): TrimTally => {
  const won = new Map<AgentId, One>()
  let fromMs = 0
  let toMs = 0

  const tell = (): void => {
    const agents = [...won.values()]
    const bytes = agents.reduce((sum, one) => sum + one.wonBytes, 0)
    if (bytes < LEAST_BYTES) return
    won.clear()
    const text = `${agents.length === 1 ? 'An idle agent was' : `${agents.length} idle agents were`} paged out by the policy in small steps: ${Math.round(bytes / 1024 / 1024)} MiB`
    onEvent({ agentId: null, title: '', name: '', transition: null, suspension: null, resumed: null, word: null, text, trimmed: { fromMs, toMs, agents }, atMs: nowMs() })
  }

  return {
    add: ({ id, title, name }, wonBytes) => {
      toMs = nowMs()
      if (won.size === 0) fromMs = toMs
      won.set(id, { agentId: id, title, name, wonBytes: (won.get(id)?.wonBytes ?? 0) + Math.round(wonBytes) })
    },
    look: () => {
      if (won.size > 0 && (nowMs() - toMs >= QUIET_MS || nowMs() - fromMs >= LONGEST_MS)) tell()
    },
    end: tell,
  }
}
