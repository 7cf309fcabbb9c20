import { Bot, Search } from 'lucide-react'
import { useMemo, useState } from 'react'
import { isListed } from '../../../electron/contract/views.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import { PAGE_OUT_PRESET_ID } from '../../../helper/contract/presets.ts'
import { plural } from '../../format/format.ts'
import { useFlow, actsOnAgents, openPreset } from '../../stores/flow.ts'
import { useLive } from '../../stores/live.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes } from '../../ui/figure.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Empty, PageFrame, Skeleton } from '../../ui/page.tsx'
import { usePresets } from '../presets/use-presets.ts'
import { AgentDrawer } from './agent-drawer.tsx'
import { AgentTable } from './agent-table.tsx'
import { matches, rowsOf } from './rows.ts'
import './agents.css'

const none: readonly Agent[] = []

const Selection = ({ ids, onClear }: { ids: readonly string[]; onClear: () => void }) => {
  const presets = usePresets()
  const busy = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
  const usable = (presets.data?.presets ?? []).filter((entry) => isListed(entry) && actsOnAgents(entry.preset.settings))
  return (
    <div className="selection" role="group" aria-label="Selected agents">
      <strong>{plural(ids.length, 'agent')} selected</strong>
      {busy ? (
        <span className="muted">A run is open; decide on it first.</span>
      ) : (
        <>
          <Button kind="primary" size="s" onClick={() => openPreset(PAGE_OUT_PRESET_ID, ids)}>
            Page out
          </Button>
          <Menu
            label="Apply a preset"
            size="s"
            items={usable.map(({ preset }) => ({ id: preset.id, label: preset.title, hint: preset.description, onSelect: () => openPreset(preset.id, ids) }))}
          />
        </>
      )}
      <Button size="s" kind="quiet" onClick={onClear}>
        Clear
      </Button>
    </div>
  )
}

const Agents = () => {
  const live = useLive((state) => state.live)
  const error = useLive((state) => state.error)
  const [filter, setFilter] = useState('')
  const [selected, setSelected] = useState<Readonly<Record<string, true>>>({})
  const [shown, setShown] = useState<string | null>(null)
  const dialog = useFlow((state) => state.presetId)
  const agents = live?.agents ?? none
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
              use <BigBytes bytes={live.totals.agentsCostBytes} /> · {plural(live.totals.idleCount, 'idle', 'idle')}
            </span>
          </p>
        </div>
        <div className="page-actions">
          {ids.length > 0 && dialog === null && <Selection ids={ids} onClear={() => setSelected({})} />}
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
      <AgentTable rows={rows} selected={selected} onSelect={setSelected} onShow={setShown} empty={`No agent matches “${filter}”.`} />
      <AgentDrawer id={shown} onClose={() => setShown(null)} />
    </div>
  )
}

export default Agents
