import type { ReactNode } from 'react'
import type { Agent } from '../../../helper/contract/agents.ts'
import { duration, megabytes, percent } from '../../format/format.ts'
import { resume, useWorking } from '../../stores/acts.ts'
import { useNow } from '../../stores/data.ts'
import { openAsking } from '../../stores/flow.ts'
import { useFleet, useLifecycle } from '../../stores/lifecycle.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { Figure } from '../../ui/figure.tsx'
import { Panel } from '../../ui/page.tsx'
import { StateMark } from '../../ui/state.tsx'
import { nameOf, stateDetail } from '../lifecycle/words.ts'

/** The five that cost most. */
export const LargestNow = () => {
  const fleet = useFleet()
  const byId = useLifecycle((state) => state.byId)
  const now = useNow(1000)
  const largest = fleet.toSorted((a, b) => b.cost.costBytes - a.cost.costBytes).slice(0, 5)
  const most = largest[0]?.cost.costBytes ?? 1
  const working = useWorking()
  /** Beside the state: why it is busy, what it won, else for how long it has been idle. */
  const whyOf = (agent: Agent): ReactNode => {
    const entry = byId.get(agent.id)
    const detail = entry === undefined ? '' : stateDetail(entry, now)
    return detail !== '' ? detail : agent.state === 'idle' ? <Figure reading={agent.idleMs} format={duration} /> : ''
  }
  return (
    <Panel
      title="Largest now"
      aside={
        <button type="button" className="link" onClick={() => go('agents')}>
          All agents
        </button>
      }
    >
      <table className="table largest">
        <caption className="sr-only">The agents that use most memory</caption>
        <thead className="sr-only">
          <tr>
            <th scope="col">Agent</th>
            <th scope="col">Share</th>
            <th scope="col">Cost in MB</th>
            <th scope="col">State</th>
            <th scope="col">Action</th>
          </tr>
        </thead>
        <tbody>
          {largest.map((agent) => (
            <tr key={agent.id}>
              <th scope="row">
                {agent.title} {agent.name !== agent.title && <span className="muted">{agent.name}</span>}
              </th>
              <td className="largest-share">
                <span className="sr-only">{percent(Math.round((agent.cost.costBytes / most) * 100))} of the largest</span>
                <span className="largest-track">
                  <span className={`largest-fill memory-${agent.state}`} style={{ width: `${(agent.cost.costBytes / most) * 100}%` }} />
                </span>
              </td>
              <td className="num">{megabytes(agent.cost.costBytes)}&nbsp;MB</td>
              <td className="largest-state">
                <StateMark state={agent.state} />
                <span className="muted largest-why">{whyOf(agent)}</span>
              </td>
              <td className="largest-act">
                <Button
                  size="s"
                  disabled={working || agent.state === 'gone'}
                  aria-label={`${agent.state === 'suspended' ? 'Resume' : 'Suspend'} ${nameOf(agent)}`}
                  onClick={() => (agent.state === 'suspended' ? resume([agent.id]) : openAsking({ of: 'suspend', ids: [agent.id] }))}
                >
                  {agent.state === 'suspended' ? 'Resume' : 'Suspend…'}
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}
