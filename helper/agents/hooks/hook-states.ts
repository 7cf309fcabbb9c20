import type { ProcessRef } from '../../contract/agents.ts'
import type { HookState } from '../activity/decide.ts'
import type { HookEventName, HookWord } from './server.ts'

export interface HookStates {
  /** Takes note of a word; `agents` are those known now. Answers with the agent it was about. */
  readonly hear: (word: HookWord, agents: readonly (ProcessRef & { readonly id: string })[]) => string | null
  readonly of: (id: string) => HookState | null
  readonly sessionId: (id: string) => string | null
  readonly keep: (ids: ReadonlySet<string>) => void
}

const TURN: Record<HookEventName, HookState['turn'] | null> = {
  'session-start': 'waiting',
  'turn-start': 'working',
  'tool-start': 'working',
  // The turn goes on after a tool.
  'tool-end': 'working',
  asking: 'asking',
  'turn-end': 'waiting',
  'session-end': null,
}

/** What each agent's hooks said last. The nearest agent above the hook is the one: a subagent speaks for itself. */
export const createHookStates = (): HookStates => {
  const states = new Map<string, { state: HookState | null; sessionId: string | null }>()
  return {
    hear: (word, agents) => {
      for (const ref of word.above) {
        const agent = agents.find(({ pid, startTimeTicks }) => pid === ref.pid && startTimeTicks === ref.startTimeTicks)
        if (agent === undefined) continue
        const turn = TURN[word.event]
        const last = states.get(agent.id)
        // An agent that waits and says so again has waited since the first word.
        const sinceMs = turn === 'waiting' && last?.state?.turn === 'waiting' ? last.state.sinceMs : word.atMs
        states.set(agent.id, { state: turn === null ? null : { turn, sinceMs }, sessionId: word.sessionId ?? last?.sessionId ?? null })
        return agent.id
      }
      return null
    },
    of: (id) => states.get(id)?.state ?? null,
    sessionId: (id) => states.get(id)?.sessionId ?? null,
    keep: (ids) => {
      for (const id of states.keys()) if (!ids.has(id)) states.delete(id)
    },
  }
}
