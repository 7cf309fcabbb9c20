import { Bot, Search } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { Agent } from '../../../helper/contract/agents.ts'
import { plural } from '../../format/format.ts'
import { useFlow } from '../../stores/flow.ts'
import { useFleet } from '../../stores/lifecycle.ts'
import { useLive } from '../../stores/live.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes } from '../../ui/figure.tsx'
import { Empty, PageFrame, Skeleton } from '../../ui/page.tsx'
import { AgentDrawer } from './agent-drawer.tsx'
import { AgentTable } from './agent-table.tsx'
import { Selection } from './selection.tsx'
import { matches, rowsOf } from './rows.ts'
import './agents.css'

/** "6 active, 8 idle, 11 suspended", without those there are none of. */
const stateCounts = (agents: readonly Agent[]): string =>
  (['active', 'idle', 'suspended'] as const)
    .flatMap((state) => {
      const count = agents.filter((agent) => agent.state === state).length
      return count === 0 ? [] : [plural(count, state, state)]
    })
    .join(', ')

const Agents = () => {
  const live = useLive((state) => state.live)
  const error = useLive((state) => state.error)
  const [filter, setFilter] = useState('')
  const [selected, setSelected] = useState<Readonly<Record<string, true>>>({})
  const [shown, setShown] = useState<string | null>(null)
  const dialog = useFlow((state) => state.presetId)
  const agents = useFleet()
  const rows = useMemo(() => rowsOf(agents.filter((agent) => matches(agent, filter))), [agents, filter])
  const ids = useMemo(() => agents.filter((agent) => selected[agent.id] === true).map((agent) => agent.id), [agents, selected])

  if (live === null)
    return (
      <PageFrame title="Agents">
        {error === null ? <Skeleton height="24rem" /> : <FailureNotice failure={error} />}
      </PageFrame>
    )
  if (agents.length === 0)
    return (
      <PageFrame title="Agents" lead={<span className="big-value">None yet</span>}>
        <Empty icon={<Bot />} title="How agents are found">
          Each process is compared with the signatures of known agents: the program or script it runs, never its name alone. Start one in any terminal and it appears
          here within seconds, with its servers, shells and test runs. Your own kinds go into
          <pre>
            <code>~/.config/agentmem/agents.json</code>
          </pre>
        </Empty>
      </PageFrame>
    )
  return (
    <div className="page page-fill agents">
      <header className="page-head">
        <div className="page-head-text">
          <h1 className="page-title">{filter === '' ? 'Agents' : `Agents, ${rows.length} of ${agents.length} shown`}</h1>
          <p className="page-lead">
            <span className="big-value">{agents.length}</span>
            <span className="agents-sum">
              use <BigBytes bytes={live.totals.agentsCostBytes} /> · {stateCounts(agents)}
            </span>
          </p>
        </div>
        <div className="page-actions">
          <div className="search">
            <Search aria-hidden="true" />
            <input
              className="input"
              type="search"
              data-filter=""
              placeholder="Filter"
              aria-label="Filter agents by kind, folder, state or process"
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Escape') return
                setFilter('')
                event.currentTarget.blur()
              }}
            />
            {filter === '' && <kbd aria-hidden="true">/</kbd>}
          </div>
        </div>
      </header>
      <div className={ids.length > 0 ? 'agents-table agents-choosing' : 'agents-table'}>
        <AgentTable rows={rows} selected={selected} onSelect={setSelected} onShow={setShown} empty={`No agent matches “${filter}”.`} />
        {ids.length > 0 && dialog === null && <Selection ids={ids} onClear={() => setSelected({})} />}
      </div>
      <AgentDrawer id={shown} onClose={() => setShown(null)} />
    </div>
  )
}

export default Agents
