import { TrendingUp } from 'lucide-react'
import { useState } from 'react'
import type { Leak, LeakView } from '../../../electron/contract/diagnosis.ts'
import { bytes, duration, percent, plural, signedMegabytes, megabytes, timeOfDay } from '../../format/format.ts'
import { useCall, useNow } from '../../stores/data.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Choice, Select } from '../../ui/field.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { SeriesChart, type ChartLine } from '../../ui/series-chart.tsx'
import { Spark } from '../../ui/spark.tsx'
import { Table } from '../../ui/table.tsx'
import { Solutions } from '../diagnosis/solutions.tsx'
import '../diagnosis/diagnosis.css'
import { isProblem, leakKey, verdicts } from './words.ts'
import './leaks.css'

const MB = 1024 * 1024
const ranges = [
  { value: '2', label: '2 h' },
  { value: '8', label: '8 h' },
  { value: '24', label: '24 h' },
  { value: '168', label: '7 days' },
] as const
type Range = (typeof ranges)[number]['value']

const limits = [1, 10, 50, 100].map((mb) => ({ value: String(mb), label: `from ${mb} MB an hour` }))
const shares = [1, 10, 25, 50].map((share) => ({ value: String(share), label: `and ${share} % an hour` }))

const lines: readonly ChartLine[] = [
  { id: 'memory', label: 'Memory', color: '--active' },
  { id: 'floor', label: 'What stays', color: '--ink', width: 2, spans: true },
  { id: 'fit', label: 'Slope', color: '--problem', dash: [6, 4] },
]

/** The curve as it was, what stayed after each clean-up, and the slope through that. */
const Curve = ({ leak }: { leak: Leak }) => (
  <SeriesChart
    atMs={leak.curve.map(({ atMs }) => atMs)}
    columns={[leak.curve.map((point) => point.bytes), leak.curve.map((point) => point.floorBytes), leak.curve.map((point) => point.fitBytes)]}
    lines={lines}
    height={220}
    long={leak.spanMs > 12 * 3600_000}
    label={`Memory of ${leak.subject.title} over ${duration(leak.spanMs)}`}
  />
)

/** Not seen for so long while others were: it has ended. */
const ENDED_MS = 5 * 60_000
const lastSeenMs = ({ curve }: Leak): number => curve.at(-1)?.atMs ?? 0

const Row = ({ leak, ended, open, onToggle }: { leak: LeakView; ended: boolean; open: boolean; onToggle: () => void }) => {
  const { word, tone, meaning } = verdicts[leak.verdict]
  const isMeasured = leak.verdict !== 'too-short'
  const { subject } = leak
  const kind = subject.of === 'agent' ? 'whole agent' : `process ${subject.pid}`
  const last = ended ? `, ended ${timeOfDay(lastSeenMs(leak))}` : ''
  return (
    <>
      <tr className={open ? 'leak-row leak-open' : 'leak-row'}>
        <th scope="row">
          <button type="button" className="leak-toggle" aria-expanded={open} onClick={onToggle}>
            {subject.title}
          </button>
          <span className="step-sub">{kind}{last}</span>
        </th>
        <td>
          <span className={`tag ${tone}`} title={meaning}>
            {word}
          </span>
        </td>
        <td className="num">{isMeasured ? signedMegabytes(leak.bytesPerHour) : '–'}</td>
        <td className="num">{isMeasured ? percent(Math.round(leak.percentPerHour * 10) / 10).replace('\u00a0%', '') : '–'}</td>
        <td className="num">{megabytes(leak.nowBytes)}</td>
        <td className="leak-spark">
          <Spark points={leak.curve.map(({ atMs, bytes: value }) => ({ atMs, value }))} label={`Course of ${subject.title}`} width={108} height={28} />
        </td>
      </tr>
      {open && (
        <tr className="leak-details">
          <td colSpan={6}>
            <p className="leak-why">{leak.why}</p>
            {isMeasured && (
              <p className="muted">
                Between {signedMegabytes(leak.bytesPerHourLow)} and {signedMegabytes(leak.bytesPerHourHigh)} MB an hour with 95 % certainty, from {plural(leak.points, 'look')} over {duration(leak.spanMs)}. {meaning}
              </p>
            )}
            {leak.curve.length > 1 && <Curve leak={leak} />}
            {leak.finding === null ? (
              (subject.of === 'agent' || subject.agentId !== null) && (
                <div className="row leak-acts">
                  <Button size="s" onClick={() => go('agents')}>
                    Show the agents
                  </Button>
                </div>
              )
            ) : (
              <div className="leak-acts leak-ways">
                <h3 className="finding-heading">What you can do</h3>
                <Solutions finding={leak.finding} />
              </div>
            )}
          </td>
        </tr>
      )}
    </>
  )
}

const LeakTable = ({ leaks }: { leaks: readonly LeakView[] }) => {
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map())
  const first = leaks[0]
  const firstKey = first !== undefined && isProblem(first) ? leakKey(first) : null
  const lastMs = Math.max(0, ...leaks.map(lastSeenMs))
  return (
    <Table label="Who grows" columns={['Who', 'Verdict', { head: 'MB an hour', num: true }, { head: '% an hour', num: true }, { head: 'Last, MB', num: true }, 'Course']} className="leaks">
      {leaks.map((leak) => {
        const key = leakKey(leak)
        const open = toggled.get(key) ?? key === firstKey
        return <Row key={key} leak={leak} ended={lastMs - lastSeenMs(leak) > ENDED_MS} open={open} onToggle={() => setToggled(new Map([...toggled, [key, !open]]))} />
      })}
    </Table>
  )
}

const Lead = ({ leaks }: { leaks: readonly Leak[] }) => {
  const sure = leaks.filter(({ verdict }) => verdict === 'leak')
  const suspected = leaks.filter(({ verdict }) => verdict === 'suspected').length
  if (sure.length > 0) {
    const perHour = sure.reduce((sum, leak) => sum + leak.bytesPerHour, 0)
    return (
      <>
        <span className="big-value">{bytes(perHour)}</span>
        <span>
          an hour lost to {plural(sure.length, 'leak')}
          {suspected > 0 && `, ${suspected} more suspected`}
        </span>
      </>
    )
  }
  if (suspected > 0)
    return (
      <>
        <span className="big-value">{suspected}</span>
        <span>suspected, none for sure</span>
      </>
    )
  const longestMs = Math.max(0, ...leaks.map(({ spanMs }) => spanMs))
  return (
    <>
      <span className="big-value">{leaks.some(({ verdict }) => verdict !== 'too-short') ? 'No leaks' : 'Not known yet'}</span>
      {leaks.length > 0 && <span>watched for {duration(longestMs)} so far</span>}
    </>
  )
}

/** Who grows over time, told apart from warming up, filling caches and garbage. */
const Leaks = () => {
  const [hours, setHours] = useState<Range>('8')
  const [limitMb, setLimitMb] = useState('10')
  const [share, setShare] = useState('10')
  // Asked again as time goes on, not with every second.
  const now = useNow(60_000)
  const { data, error, reload } = useCall('leaks.get', { thresholds: { bytesPerHour: Number(limitMb) * MB, percentPerHour: Number(share) }, fromMs: Math.floor(now / 60_000) * 60_000 - Number(hours) * 3600_000 })
  const [last, setLast] = useState<readonly LeakView[] | null>(null)
  // The old answer stays while another one is asked for: nothing jumps.
  if (data !== null && data !== last) setLast(data)
  const leaks = data ?? last
  const settings = (
    <>
      <Select label="A leak from" value={limitMb} onChange={setLimitMb} options={limits} />
      <Select label="and from" value={share} onChange={setShare} options={shares} />
      <Choice label="Time looked at" value={hours} onChange={setHours} options={ranges} />
    </>
  )
  if (leaks === null)
    return (
      <PageFrame title="Leaks" lead={<span className="big-value muted">{error === null ? '…' : 'Not available'}</span>}>
        {error === null ? <Skeleton height="18rem" /> : <FailureNotice failure={error} onRetry={reload} />}
      </PageFrame>
    )
  return (
    <PageFrame title="Leaks" lead={<Lead leaks={leaks} />} actions={settings}>
      <FailureNotice failure={error} onRetry={reload} />
      <Panel title="Who grows" aside="Both limits have to be passed, by the slope of what stays after each clean-up">
        {leaks.length === 0 ? (
          <Empty icon={<TrendingUp />} title="Nobody was watched for long enough">
            Memory of agents and of your largest processes is written down as long as this app runs. After twenty minutes the first verdicts appear here, with their curves; a leak is told from work and from starting up after forty.
          </Empty>
        ) : (
          <LeakTable leaks={leaks} />
        )}
      </Panel>
    </PageFrame>
  )
}

export default Leaks
