import { useEffect, useMemo } from 'react'
import type { Agent } from '../../../helper/contract/agents.ts'
import { PAGE_OUT_PRESET_ID } from '../../../helper/contract/presets.ts'
import { bytes, duration, megabytes, missingWords } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { useLive } from '../../stores/live.ts'
import { hold } from '../../stores/series-ids.ts'
import { openPreset } from '../../stores/flow.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes, Figure, Gap } from '../../ui/figure.tsx'
import { Skeleton } from '../../ui/page.tsx'
import { SeriesChart, type ChartLine } from '../../ui/series-chart.tsx'
import { StateMark } from '../../ui/state.tsx'
import { Why } from '../../ui/why.tsx'
import { isUnmeasured, roleWords } from './rows.ts'

const lines: readonly ChartLine[] = [{ id: 'cost', label: 'Cost', color: '--ink', fill: '--fill', width: 2 }]
const HOLD_MS = 120_000

const Facts = ({ agent }: { agent: Agent }) => (
  <dl className="facts">
    <dt>State</dt>
    <dd>
      <StateMark state={agent.state} /> {agent.state !== 'active' && <span className="muted">for <Figure reading={agent.idleMs} format={duration} /></span>}
    </dd>
    <dt>Started</dt>
    <dd>{duration(agent.ageMs)} ago, process {agent.pid}</dd>
    <dt>Folder</dt>
    <dd>{agent.projectFolder.value === null ? <Gap reason={missingWords(agent.projectFolder.reason, agent.projectFolder.detail)} /> : <code className="path">{agent.projectFolder.value}</code>}</dd>
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
  <div className="table-scroll">
    <table className="table">
      <caption className="sr-only">Processes of this agent</caption>
      <thead>
        <tr>
          <th scope="col">Process</th>
          <th scope="col" className="num">PID</th>
          <th scope="col" className="num">PSS, MB</th>
          <th scope="col" className="num">Swap, MB</th>
        </tr>
      </thead>
      <tbody>
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
      </tbody>
    </table>
  </div>
)

/** One agent in full: what it costs, since when, its processes, its last minutes. */
export const AgentDrawer = ({ id, onClose }: { id: string | null; onClose: () => void }) => {
  const loaded = useCall('agent.get', id === null ? null : { id })
  const live = useLive((state) => (id === null ? undefined : state.live?.agents.find((agent) => agent.id === id)))
  const atMs = useLive((state) => state.live?.agentsMeasuredAtMs)
  const busy = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
  const { reload } = loaded
  useEffect(() => {
    if (id === null) return
    const timer = setInterval(reload, 10_000)
    return () => clearInterval(timer)
  }, [id, reload])
  const mine = loaded.data?.agent.id === id ? loaded.data : null
  const agent = live ?? mine?.agent ?? null
  const series = mine?.series
  const times = useMemo(() => series?.atMs ?? [], [series])
  const columns = useMemo(() => [hold(times, series?.series[0]?.values ?? [], HOLD_MS)], [series, times])
  if (id === null) return null
  return (
    <Dialog
      open
      side
      onClose={onClose}
      title={agent === null ? 'Agent' : `${agent.title}${agent.name === agent.title ? '' : ` ${agent.name}`}`}
      foot={
        agent !== null &&
        agent.state !== 'gone' && (
          <Button
            disabled={busy}
            onClick={() => {
              onClose()
              openPreset(PAGE_OUT_PRESET_ID, [agent.id])
            }}
          >
            Page out…
          </Button>
        )
      }
    >
      {agent === null && loaded.error === null && <Skeleton lines={8} />}
      <FailureNotice failure={agent === null ? loaded.error : null} />
      {agent !== null && (
        <>
          <p>
            <Why what="Cost of this agent" how="PSS of all its processes plus what its swapped pages take in the compressed pool." sources={agent.processes.map((process) => `/proc/${process.pid}/smaps_rollup`)} atMs={atMs}>
              {isUnmeasured(agent) ? <span className="big-value"><Gap reason="None of its processes has been measured yet." /></span> : <BigBytes bytes={agent.cost.costBytes} />}
            </Why>
            {agent.cost.unmeasured > 0 && !isUnmeasured(agent) && <span className="problem"> without {agent.cost.unmeasured} of {agent.processes.length} processes, which could not be read</span>}
          </p>
          <Facts agent={agent} />
          {times.length > 1 && <SeriesChart atMs={times} columns={columns} lines={lines} height={120} label={`Cost of ${agent.title} over the last minutes`} />}
          <Processes agent={agent} />
        </>
      )}
    </Dialog>
  )
}
