import type { AgentId } from '../../contract/agents.ts'
import type { SessionResponse } from '../../contract/requests.ts'
import type { HookState } from '../activity/decide.ts'
import type { AgentTree } from '../discover.ts'
import type { Registry } from '../registry/registry.ts'
import type { AgentTracker } from '../tracker.ts'
import type { ActivityWatch } from './activity-watch.ts'

/** Looks at the agents for everybody who asks: the window's requests and the policy share what one look found. */
export interface Watch {
  readonly look: () => Promise<SessionResponse<'Agents'>>
  readonly snapshot: (commandLines: boolean) => Promise<SessionResponse<'Snapshot'>>
  /** Looks unless somebody just did. */
  readonly recent: () => Promise<void>
  /** Of the last look; trees of suspended agents too. */
  readonly trees: () => ReadonlyMap<AgentId, AgentTree>
}

/** Evidence needs time to show; looks closer together than this are judged as one. */
const SHORTEST_MS = 900
const RECENT_MS = 2_500

export interface WatchOptions {
  readonly tracker: AgentTracker
  readonly registry: Registry
  readonly activity: ActivityWatch
  /** What the agent's own hooks said last. */
  readonly hookOf: (id: AgentId) => HookState | null
  /** Root looks with more rights than a user. */
  readonly privileged: boolean
  /** CLOCK_MONOTONIC in ms. */
  readonly monotonicMs: () => number
}

export const createWatch = ({ tracker, registry, activity, hookOf, privileged, monotonicMs }: WatchOptions): Watch => {
  let trees: ReadonlyMap<AgentId, AgentTree> = new Map()
  let judgedAtMs = Number.NEGATIVE_INFINITY
  let judging: Promise<void> | null = null

  const judge = async (looked: ReturnType<AgentTracker['look']>): Promise<void> => {
    const awake = new Map([...looked.trees].filter(([id]) => (registry.get(id)?.entry.suspension ?? null) === null))
    const activities = await activity.look(awake, (id) => ({ hook: hookOf(id), pinned: registry.get(id)?.entry.pinned ?? false }))
    registry.take(looked.agents, activities)
  }

  /** The states are the registry's: one word for each agent, wherever it is asked for. */
  const withState = <T extends { id: AgentId; state: string; idleMs: unknown }>(agent: T): T => {
    const entry = registry.get(agent.id)?.entry
    return entry === undefined ? agent : { ...agent, state: entry.state, idleMs: entry.activity.idleMs }
  }

  const look: Watch['look'] = async () => {
    if (judging !== null) await judging
    const looked = tracker.look()
    trees = looked.trees
    const nowMs = monotonicMs()
    if (nowMs - judgedAtMs >= SHORTEST_MS) {
      judgedAtMs = nowMs
      judging = judge(looked).finally(() => { judging = null })
      await judging
    }
    return { takenAtMs: looked.takenAtMs, agents: looked.agents.map(withState), counts: looked.counts }
  }

  return {
    look,
    recent: async () => {
      if (monotonicMs() - judgedAtMs > RECENT_MS) await look()
    },
    snapshot: async (commandLines) => {
      await look()
      const taken = await tracker.snapshot({ commandLines, privileged })
      return { ...taken, agents: taken.agents.map(withState) }
    },
    trees: () => trees,
  }
}
