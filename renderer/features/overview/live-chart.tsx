import { useMemo, useState } from 'react'
import { useCall } from '../../stores/data.ts'
import { useLive } from '../../stores/live.ts'
import { Panel } from '../../ui/page.tsx'
import { SeriesChart, type ChartLine, type ChartMark } from '../../ui/series-chart.tsx'
import { ChartSigns } from '../history/chart-signs.tsx'
import { signs } from '../history/kinds.ts'

const WINDOW_MS = 10 * 60 * 1000

const lines: readonly ChartLine[] = [
  { id: 'agents', label: 'Agents', color: '--ink', fill: '--fill', width: 2 },
  { id: 'compressed', label: 'Compressed', color: '--bar-pool', dash: [2, 3], width: 2 },
  { id: 'available', label: 'Available', color: '--ink-3', dash: [7, 4], width: 1.5 },
]

const useMarks = (): readonly ChartMark[] => {
  // A fixed range: nothing is asked every second, only when a run changed.
  const [fromMs] = useState(() => Math.floor(Date.now() / WINDOW_MS - 1) * WINDOW_MS)
  const events = useCall('history.events', { fromMs, toMs: fromMs + 1000 * WINDOW_MS, limit: 200 }, ['runs', 'transition'])
  const { data } = events
  return useMemo(
    () =>
      (data ?? []).flatMap((event) => {
        const sign = signs[event.kind]
        return sign === undefined ? [] : [{ atMs: event.atMs, sign }]
      }),
    [data],
  )
}

export const LiveChart = () => {
  const points = useLive((state) => state.points)
  const marks = useMarks()
  const atMs = useMemo(() => points.map((point) => point.atMs), [points])
  const columns = useMemo(() => [points.map((p) => p.agents), points.map((p) => p.compressed), points.map((p) => p.available)], [points])
  const [openedAtMs] = useState(() => Date.now())
  const to = atMs.at(-1) ?? openedAtMs
  const range = useMemo(() => [to - WINDOW_MS, to] as const, [to])
  return (
    <Panel
      title="Memory, last 10 minutes"
      aside={
        <ChartSigns />
      }
    >
      <SeriesChart atMs={atMs} columns={columns} lines={lines} marks={marks} range={range} height={190} label="Memory of agents, compressed and available, over the last ten minutes, in gigabytes" />
    </Panel>
  )
}
