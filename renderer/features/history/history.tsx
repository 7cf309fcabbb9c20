import { History as HistoryIcon } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { RunView } from '../../../electron/contract/views.ts'
import { duration, exactMoment, moment, withNoise } from '../../format/format.ts'
import { useCall, useNow } from '../../stores/data.ts'
import { hold, seriesIds } from '../../stores/series-ids.ts'
import { isOpenState } from '../../stores/run.ts'
import { Choice } from '../../ui/field.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Figure } from '../../ui/figure.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { SeriesChart, type ChartLine } from '../../ui/series-chart.tsx'
import { Table } from '../../ui/table.tsx'
import { stateWords } from '../run/end-words.ts'
import { EventsPanel } from './events.tsx'
import { ChartSigns } from './chart-signs.tsx'
import { signs } from './kinds.ts'
import { RunPage } from './run-page.tsx'
import './history.css'

const HOUR = 3_600_000
const ranges = { '1 hour': HOUR, '1 day': 24 * HOUR, '1 week': 7 * 24 * HOUR, '90 days': 90 * 24 * HOUR } as const
type Range = keyof typeof ranges
const rangeNames = Object.keys(ranges) as Range[]

const lines: readonly ChartLine[] = [
  { id: 'agents', label: 'Agents', color: '--ink', fill: '--fill', width: 2 },
  { id: 'compressed', label: 'Compressed', color: '--bar-pool', dash: [2, 3], width: 2 },
  { id: 'available', label: 'Available', color: '--ink-3', dash: [7, 4], width: 1.5 },
]

const stateTone = (view: RunView): string => (view.summary.state === 'kept' ? 'tag-gain' : view.summary.state === 'failed' || view.summary.state === 'partly-undone' ? 'tag-problem' : isOpenState(view.summary.state) ? 'tag-active' : '')

const Gain = ({ view }: { view: RunView }) => {
  const { gainBytes, noiseBytes } = view
  if (gainBytes.value === null) return <Figure reading={gainBytes} format={String} />
  if (Math.abs(gainBytes.value) <= (noiseBytes.value ?? 0)) return <span className="muted">within the noise</span>
  return <span className={gainBytes.value > 0 ? 'gain' : 'problem'}>{gainBytes.value > 0 ? withNoise(gainBytes.value, noiseBytes) : `${withNoise(-gainBytes.value, noiseBytes)} more`}</span>
}

const Runs = ({ runs }: { runs: readonly RunView[] }) => {
  const now = useNow(30_000)
  return (
    <Table label="Runs" columns={['Run', 'When', 'Outcome', { head: 'Won', num: true }, { head: 'Agents', num: true }, { head: 'Took', num: true }]} className="runs">
      {runs.map((view) => {
        const { summary } = view
        return (
          <tr key={summary.id}>
            <th scope="row">
              <a className="link" href={`#/history/run/${summary.id}`}>
                {summary.presetTitle}
              </a>
            </th>
            <td title={exactMoment(summary.startedAtMs)}>{moment(summary.startedAtMs, now)}</td>
            <td>
              <span className={`tag ${stateTone(view)}`}>{stateWords[summary.state]}</span>
            </td>
            <td className="num">
              <Gain view={view} />
            </td>
            <td className="num">
              {summary.treated.length}
              <span className="muted">{summary.control.length === 0 ? '' : ` + ${summary.control.length} left alone`}</span>
            </td>
            <td className="num">{summary.endedAtMs === null ? <span className="muted">open</span> : duration(summary.endedAtMs - summary.startedAtMs)}</td>
          </tr>
        )
      })}
    </Table>
  )
}

const Overall = () => {
  const [picked, setPicked] = useState<Range | null>(null)
  const [young, setYoung] = useState(false)
  const range = picked ?? (young ? '1 hour' : '1 day')
  const [toMs, setToMs] = useState(() => Date.now())
  const fromMs = toMs - ranges[range]
  const series = useCall('history.series', { fromMs, toMs, series: [seriesIds.agents, seriesIds.compressed, seriesIds.available], maxPoints: 1000 })
  // Also what happens while the page is open.
  const events = useCall('history.events', { fromMs, toMs: toMs + 24 * HOUR, limit: 200 }, ['runs', 'helper', 'transition'])
  const runs = useCall('runs.list', { limit: 100 }, ['runs'])
  const { data } = series
  const atMs = useMemo(() => data?.atMs ?? [], [data])
  // Of a day with one hour in it nothing could be read.
  const first = atMs[atMs.findIndex((_at, i) => data?.series.some((entry) => entry.values[i] !== null))]
  if (picked === null && !young && first !== undefined && first > toMs - HOUR) setYoung(true)
  const columns = useMemo(() => {
    const holdMs = Math.max(30_000, (data?.resolutionMs ?? 0) * 1.5)
    return [seriesIds.agents, seriesIds.compressed, seriesIds.available].map((id) => hold(atMs, data?.series.find((entry) => entry.id === id)?.values ?? [], holdMs))
  }, [data, atMs])
  const marks = useMemo(() => (events.data ?? []).flatMap((event) => (signs[event.kind] === undefined ? [] : [{ atMs: event.atMs, sign: signs[event.kind] ?? '' }])), [events.data])
  const span = useMemo(() => [fromMs, toMs] as const, [fromMs, toMs])
  const kept = (runs.data ?? []).filter((view) => view.summary.state === 'kept')
  const best = kept.reduce((most, view) => Math.max(most, view.gainBytes.value ?? 0), 0)
  const failure = runs.error ?? series.error
  return (
    <PageFrame
      title="History"
      lead={
        runs.data === null ? (
          <span className="big-value muted">{runs.error === null ? '…' : 'Not available'}</span>
        ) : (
          <>
            <span className="big-value">{runs.data.length}</span>
            <span>
              {runs.data.length === 1 ? 'run' : 'runs'}
              {kept.length > 0 ? `, ${kept.length} kept` : ''}
              {best > 0 ? `, the best won ${withNoise(best, { value: null, reason: 'not-measured' })}` : ''}
            </span>
          </>
        )
      }
      actions={
        <Choice
          label="Range"
          value={range}
          onChange={(next) => {
            setPicked(next)
            setToMs(Date.now())
          }}
          options={rangeNames.map((name) => ({ value: name, label: name }))}
        />
      }
    >
      <FailureNotice failure={failure} onRetry={failure === null ? undefined : () => { runs.reload(); series.reload() }} />
      {series.error === null && (
        <Panel title={`Memory, last ${range.replace(/^1 /u, '')}`} aside={<ChartSigns />}>
          {data === null ? (
            <Skeleton height="15rem" />
          ) : atMs.length === 0 ? (
            <p className="muted">Nothing recorded yet. The app records while it runs; the line appears within minutes.</p>
          ) : (
            <SeriesChart atMs={atMs} columns={columns} lines={lines} marks={marks} range={span} long height={240} label={`Memory of agents, compressed and available over the last ${range}`} />
          )}
        </Panel>
      )}
      {runs.data !== null && (
        <div className="history-lists">
          <Panel title="Runs">
            {runs.data.length === 0 ? (
              <Empty icon={<HistoryIcon />} title="No runs yet">
                Each preset you apply becomes a run: its plan, what was really done, what it won, and the way back. Start one in Overview.
              </Empty>
            ) : (
              <Runs runs={runs.data} />
            )}
          </Panel>
          <EventsPanel events={events.data} error={events.error} />
        </div>
      )}
    </PageFrame>
  )
}

const History = ({ rest }: { rest: readonly string[] }) => (rest[0] === 'run' && rest[1] !== undefined ? <RunPage key={rest[1]} runId={rest[1]} /> : <Overall />)

export default History
