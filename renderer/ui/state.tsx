import { Circle, CircleDot, CirclePause, CircleX } from 'lucide-react'
import type { AgentState } from '../../helper/contract/agents.ts'

const shapes = { active: CircleDot, idle: Circle, suspended: CirclePause, gone: CircleX } as const
const words: Record<AgentState, string> = { active: 'Active', idle: 'Idle', suspended: 'Suspended', gone: 'Gone' }

/** An agent's state by shape and word; the colour only repeats it. */
export const StateMark = ({ state, bare = false }: { state: AgentState; bare?: boolean }) => {
  const Shape = shapes[state]
  return (
    <span className={`state state-${state}`} title={bare ? words[state] : undefined}>
      <Shape aria-hidden="true" />
      {bare ? <span className="sr-only">{words[state]}</span> : words[state]}
    </span>
  )
}
