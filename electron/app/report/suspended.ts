import type { AgentState } from '../../../helper/contract/agents.ts'
import type { LifecycleCause } from '../../../helper/contract/lifecycle.ts'
import type { History } from '../history/types.ts'

/** One agent that was suspended at some time between the two sides. */
export interface SuspendedFact {
  agentId: string
  /** Of its kind: "Claude Code". */
  title: string
  /** Null where the history does not reach back that far. */
  before: AgentState | null
  after: AgentState | null
  times: number
  suspendedMs: number
  /** By the last suspend, measured right after it; suspending twice does not win twice. */
  wonBytes: number
  /** Who or what woke it last; null while it is suspended, where it ended so, or where it woke after this time. */
  wokenBy: LifecycleCause | null
}

/** Who was suspended in this time, for how long, and what it won; from the history alone. */
export const suspendedBetween = (reader: Pick<History['reader'], 'suspensions' | 'timeline'>, fromMs: number, toMs: number): SuspendedFact[] => {
  const facts = new Map<string, SuspendedFact>()
  for (const { suspension, resumed } of reader.suspensions({ fromMs, toMs })) {
    const { agentId, title, sinceMs, wonBytes } = suspension
    const known = facts.get(agentId)
    const { transitions } = known === undefined ? reader.timeline(agentId, { fromMs, toMs }) : { transitions: [] }
    const first = transitions[0]
    const fact = known ?? { agentId, title, before: first === undefined ? null : first.atMs <= fromMs ? first.to : first.from, after: transitions.at(-1)?.to ?? null, times: 0, suspendedMs: 0, wonBytes: 0, wokenBy: null }
    const ended = transitions.find((one) => one.to === 'gone')?.atMs
    const wokeAtMs = resumed === null ? null : sinceMs + resumed.suspendedForMs
    const untilMs = Math.min(toMs, wokeAtMs ?? ended ?? toMs)
    facts.set(agentId, { ...fact, times: fact.times + 1, suspendedMs: fact.suspendedMs + Math.max(0, untilMs - Math.max(fromMs, sinceMs)), wonBytes, wokenBy: resumed === null || (wokeAtMs ?? 0) > toMs ? null : resumed.cause })
  }
  return [...facts.values()]
}

/** Suspended on one side only: part of the difference is theirs. */
export const movedBetween = (facts: readonly SuspendedFact[]): SuspendedFact[] => facts.filter((fact) => fact.before !== fact.after && (fact.before === 'suspended' || fact.after === 'suspended'))
