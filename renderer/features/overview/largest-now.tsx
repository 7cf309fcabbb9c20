import type { Live } from '../../../electron/contract/views.ts'
import { PAGE_OUT_PRESET_ID } from '../../../helper/contract/presets.ts'
import { duration, megabytes, percent } from '../../format/format.ts'
import { openPreset } from '../../stores/flow.ts'
import { go } from '../../stores/route.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { Figure } from '../../ui/figure.tsx'
import { Panel } from '../../ui/page.tsx'
import { StateMark } from '../../ui/state.tsx'

/** The five that cost most. */
export const LargestNow = ({ live }: { live: Live }) => {
  const largest = live.agents.toSorted((a, b) => b.cost.costBytes - a.cost.costBytes).slice(0, 5)
  const most = largest[0]?.cost.costBytes ?? 1
  const busy = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
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
                {agent.state === 'idle' && (
                  <span className="muted">
                    {' '}
                    <Figure reading={agent.idleMs} format={duration} />
                  </span>
                )}
              </td>
              <td className="largest-act">
                {agent.state !== 'active' && (
                  <Button size="s" disabled={busy} onClick={() => openPreset(PAGE_OUT_PRESET_ID, [agent.id])}>
                    Page out<span className="sr-only"> {agent.title} {agent.name}</span>
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}
