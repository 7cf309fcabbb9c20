import type { Failure } from '../../helper/contract/errors.ts'
import type { Resumed, Suspension } from '../../helper/contract/lifecycle.ts'

/** Suspending or resuming some agents: under way, or how it ended. */
export interface Act {
  kind: 'suspend' | 'resume'
  ids: readonly string[]
  /** Agents that have been answered for. */
  done: number
  state: 'working' | 'stopping' | 'over'
  /** The user stopped it with some agents left. */
  stopped: boolean
  suspended: readonly Suspension[]
  resumed: readonly Resumed[]
  left: readonly { agentId: string; error: Failure }[]
  /** Refused as a whole; what was done before it stays. */
  failure: Failure | null
  tookMs: number
}

export const isWorking = (act: Act | null): boolean => act !== null && act.state !== 'over'

/** What suspending has won so far. */
export const wonOf = (act: Act): number => act.suspended.reduce((sum, entry) => sum + entry.wonBytes, 0)
