import type { Activity } from '../../contract/lifecycle.ts'
import type { Sample } from './sample.ts'

/** What the agent's own hooks said last; `null` for the whole where none are installed or none spoke yet. */
export interface HookState {
  /** working: a turn was begun; waiting: it ended; asking: the agent waits for its user's answer. */
  readonly turn: 'working' | 'waiting' | 'asking'
  /** Unix time of the word. */
  readonly sinceMs: number
}

export interface JudgeSettings {
  /** `idleCpuPercent` of the agent's signature, where it has one. */
  readonly idleCpuPercent?: number | undefined
}

export interface LookedAt {
  readonly hook: HookState | null
  readonly pinned: boolean
}

/** Judges one agent from sample to sample; made anew for each agent, dropped when it is gone or was suspended. */
export interface ActivityJudge {
  readonly look: (sample: Sample, known: LookedAt) => Activity
}
