import { Boxes } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { UnitAgent, UnitsView, UnitTotals } from '../../../electron/contract/units.ts'
import { bytes, duration, plural } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { go } from '../../stores/route.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes } from '../../ui/figure.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { StateMark } from '../../ui/state.tsx'
import { Table, type Column } from '../../ui/table.tsx'
import { ModulePanel } from './module-panel.tsx'
import { Tiers } from './tiers.tsx'
import { UnitDrawer } from './unit-drawer.tsx'
import { UnitsSettings } from './units-settings.tsx'
import './units.css'

const LOOK_MS = 3000

const savedBy = (totals: UnitTotals | null | undefined): number => (totals == null ? 0 : Math.max(0, totals.bytes - totals.hotBytes - totals.warmBytes - totals.ownBytes))
/** Of broker and module together. */
const sumOf = ({ totals, module }: UnitsView, part: 'agents' | 'units' | 'bytes'): number => (totals?.[part] ?? 0) + (module?.totals?.[part] ?? 0)
const savedBytes = (view: UnitsView): number => savedBy(view.totals) + savedBy(view.module?.totals)

/** Where a program that starts now keeps its units. */
const nextWords = (view: UnitsView): string =>
  view.module !== null ? 'Programs that start now keep their units in the kernel module.' : view.broker === 'running' || view.broker === 'not-running' ? 'Programs that start now keep their units in your broker.' : 'Programs that start now keep their memory to themselves.'

const agentColumns: readonly Column[] = [
  'Agent',
  'State',
  { head: 'Units', num: true },
  { head: 'Holds', num: true },
  { head: 'Others too', num: true, className: 'wide-only' },
  { head: 'In memory', num: true },
  { head: 'Compressed', num: true },
  { head: 'On disk', num: true },
  { head: 'Last used', num: true, className: 'wide-only' },
]

const Agents = ({ agents, onOpen }: { agents: readonly UnitAgent[]; onOpen: (agent: UnitAgent) => void }) => (
  <Table label="Agents that use units" columns={agentColumns} className="unit-agents">
    {agents.map((agent) => (
      <tr key={`${agent.backend} ${agent.number}`}>
        <th scope="row">
          <button type="button" className="link" onClick={() => onOpen(agent)}>
            {agent.name}
          </button>
          <span className="step-sub">
            {agent.pid === null ? 'no process' : agent.agentId === null ? `process ${agent.pid}` : <AgentLink id={agent.agentId} pid={agent.pid} />}
            {agent.backend === 'module' ? ', in the kernel module' : ''}
            {agent.processes > 1 ? ` and ${agent.processes - 1} more` : ''}
            {agent.domain === '' ? '' : `, domain ${agent.domain}`}
          </span>
        </th>
        <td>
          <StateMark state={agent.state} />
        </td>
        <td className="num">{agent.units}</td>
        <td className="num">{bytes(agent.bytes)}</td>
        <td className="num wide-only">{bytes(agent.sharedBytes)}</td>
        <td className="num">{bytes(agent.hotBytes)}</td>
        <td className="num">{bytes(agent.warmBytes)}</td>
        <td className="num">{bytes(agent.coldBytes)}</td>
        <td className="num wide-only">{duration(agent.idleMs)}</td>
      </tr>
    ))}
  </Table>
)

const AgentLink = ({ id, pid }: { id: string; pid: number }) => (
  <button type="button" className="link" onClick={() => go('agents', id)}>
    process {pid}
  </button>
)

const brokerWords: Record<UnitsView['broker'], string> = {
  running: '',
  'not-running': 'No program uses units now.',
  off: 'Sharing is switched off.',
  'not-installed': 'The broker is not installed.',
}

/** Memory units: what agents share, what is compressed, what is on disk. */
const Units = () => {
  const loaded = useCall('units.get', {}, ['units'])
  const [open, setOpen] = useState<UnitAgent | null>(null)
  const { reload, data: view } = loaded
  useEffect(() => {
    const timer = setInterval(reload, LOOK_MS)
    return () => clearInterval(timer)
  }, [reload])
  if (view === null)
    return (
      <PageFrame title="Units" lead={<span className="big-value muted">{loaded.error === null ? '…' : 'Not available'}</span>}>
        {loaded.error === null ? <Skeleton height="18rem" /> : <FailureNotice failure={loaded.error} onRetry={reload} />}
      </PageFrame>
    )
  const { totals } = view
  return (
    <PageFrame
      title="Units"
      lead={
        sumOf(view, 'units') === 0 ? (
          <span className="big-value">None</span>
        ) : (
          <>
            <span>
              <BigBytes bytes={savedBytes(view)} />
            </span>
            <span>
              less in memory than {plural(sumOf(view, 'agents'), 'agent')} would hold alone: {bytes(sumOf(view, 'bytes'))} in {plural(sumOf(view, 'units'), 'unit')}
            </span>
          </>
        )
      }
    >
      <FailureNotice failure={loaded.error} onRetry={reload} />
      {view.problem !== null && (
        <Notice tone="problem" title={view.broker === 'not-installed' ? 'Units are not available' : 'Something is wrong'}>
          {view.problem}
        </Notice>
      )}
      {totals !== null && totals.units > 0 && (
        <Panel title={view.module === null ? 'Where it is' : 'In the broker'} aside={`The broker itself takes ${bytes(totals.ownBytes)}`}>
          <Tiers totals={totals} />
        </Panel>
      )}
      {view.module !== null && <ModulePanel module={view.module} />}
      <Panel title="Agents that use units" aside={view.broker === 'not-installed' && view.module === null ? undefined : nextWords(view)}>
        {view.agents.length === 0 ? (
          <Empty icon={<Boxes />} title={brokerWords[view.broker] === '' ? 'No agent uses units now' : brokerWords[view.broker]}>
            A unit is a prompt, tool definition or conversation that a program hands over instead of keeping a copy: the same content is in memory once, old ones are compressed, then put on disk. Start an agent with <code>agentmemctl run --share</code>, or use libagentmem in your own.
          </Empty>
        ) : (
          <Agents agents={view.agents} onOpen={setOpen} />
        )}
      </Panel>
      {view.broker !== 'not-installed' && <UnitsSettings view={view} onSaved={reload} />}
      {open !== null && <UnitDrawer agent={open} onClose={() => setOpen(null)} />}
    </PageFrame>
  )
}

export default Units
