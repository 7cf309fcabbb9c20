import { useMemo, useState } from 'react'
import type { Response } from '../../../electron/contract/channels.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { RegistryEntry } from '../../../helper/contract/lifecycle.ts'
import { bytes, duration, megabytes, missingWords } from '../../format/format.ts'
import { hold } from '../../stores/series-ids.ts'
import { Figure, Gap } from '../../ui/figure.tsx'
import { SeriesChart, type ChartLine } from '../../ui/series-chart.tsx'
import { Table } from '../../ui/table.tsx'
import { FiguresOfAll } from './figures-table.tsx'
import { roleWords } from './rows.ts'

const lines: readonly ChartLine[] = [{ id: 'cost', label: 'Cost', color: '--ink', fill: '--fill', width: 2 }]
const HOLD_MS = 120_000

const Facts = ({ agent, entry }: { agent: Agent; entry: RegistryEntry | null }) => (
  <dl className="facts">
    <dt>Started</dt>
    <dd>{duration(agent.ageMs)} ago, process {agent.pid}</dd>
    <dt>Folder</dt>
    <dd>{agent.projectFolder.value === null ? <Gap reason={missingWords(agent.projectFolder.reason, agent.projectFolder.detail)} /> : <code className="path">{agent.projectFolder.value}</code>}</dd>
    {entry?.sessionId != null && (
      <>
        <dt>Session</dt>
        <dd><code className="path">{entry.sessionId}</code></dd>
      </>
    )}
    <dt>PSS</dt>
    <dd>{bytes(agent.cost.pssBytes)}</dd>
    <dt>Own pages (USS)</dt>
    <dd>{bytes(agent.cost.ussBytes)}</dd>
    <dt>Program and file pages</dt>
    <dd><Figure reading={agent.cost.fileBytes} format={bytes} /></dd>
    <dt>Swapped</dt>
    <dd>
      {bytes(agent.cost.swapPssBytes)}
      {agent.cost.swapPssBytes > 0 && <span className="muted">, taking {bytes(agent.cost.compressedBytes)} compressed{agent.cost.diskSwapBytes > 0 ? ` and ${bytes(agent.cost.diskSwapBytes)} on disk` : ''}</span>}
    </dd>
    <dt>RSS</dt>
    <dd>
      {bytes(agent.cost.rssBytes)} <span className="muted">counts common pages in full</span>
    </dd>
    <dt>Merging (KSM)</dt>
    <dd>{agent.mergeable.value === null ? <Gap reason={missingWords(agent.mergeable.reason, agent.mergeable.detail)} /> : agent.mergeable.value ? 'its equal pages can be merged' : 'not reached; start it with agentmemctl run'}</dd>
  </dl>
)

const Processes = ({ agent }: { agent: Agent }) => (
  <Table label="Processes of this agent" columns={['Process', { head: 'PID', num: true }, { head: 'PSS, MB', num: true }, { head: 'Swap, MB', num: true }]}>
    {agent.processes.map((process) => (
      <tr key={process.pid}>
        <th scope="row">
          {process.label} <span className="muted">{process.label === roleWords[process.role] ? '' : roleWords[process.role]}</span>
        </th>
        <td className="num">{process.pid}</td>
        <td className="num">{process.memory.value === null ? <Gap reason={missingWords(process.memory.reason, process.memory.detail)} /> : megabytes(process.memory.value.pssBytes)}</td>
        <td className="num">{process.memory.value === null ? <Gap reason={missingWords(process.memory.reason)} /> : megabytes(process.memory.value.swapPssBytes)}</td>
      </tr>
    ))}
  </Table>
)

/** Read only when somebody looks: it is the kernel's whole account of each process. */
const EveryFigure = ({ agentId }: { agentId: string }) => {
  const [open, setOpen] = useState(false)
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Every figure of its processes</summary>
      {open && <FiguresOfAll agentId={agentId} />}
    </details>
  )
}

/** What it uses, of what, and in which processes. */
export const MemoryTab = ({ agent, entry, series }: { agent: Agent; entry: RegistryEntry | null; series: Response<'agent.get'>['series'] | undefined }) => {
  const times = useMemo(() => series?.atMs ?? [], [series])
  const values = useMemo(() => [hold(times, series?.series[0]?.values ?? [], HOLD_MS)], [series, times])
  return (
    <>
      <Facts agent={agent} entry={entry} />
      {times.length > 1 && <SeriesChart atMs={times} columns={values} lines={lines} height={120} label={`Cost of ${agent.title} over the last minutes`} />}
      <Processes agent={agent} />
      <EveryFigure agentId={agent.id} />
    </>
  )
}
