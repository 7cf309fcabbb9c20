import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { axisBytes, bytes, clock, DASH, moment, timeTick } from '../format/format.ts'
import { useSettings } from '../stores/settings.ts'

export interface ChartLine {
  id: string
  label: string
  /** A colour token, with its dash pattern so that lines differ without colour. */
  color: string
  dash?: number[]
  fill?: string
  width?: number
  /** Known at some moments only, with a straight line between them. */
  spans?: boolean
}

export interface ChartMark {
  atMs: number
  sign: string
}

interface Props {
  /** Unix time in ms, then one column a line; null is a gap. */
  atMs: readonly number[]
  columns: readonly (readonly (number | null)[])[]
  lines: readonly ChartLine[]
  marks?: readonly ChartMark[]
  height: number
  label: string
  /** The full range of the axis of time, in ms; without it the data's own. */
  range?: readonly [number, number]
  /** Seconds matter on short ranges. */
  long?: boolean
}

const token = (name: string): string => (name.startsWith('--') ? getComputedStyle(document.documentElement).getPropertyValue(name).trim() : name)

const drawMarks = (u: uPlot, marks: readonly ChartMark[]): void => {
  const { ctx, bbox } = u
  const scale = uPlot.pxRatio
  ctx.save()
  ctx.fillStyle = token('--ink-2')
  ctx.strokeStyle = token('--line-strong')
  ctx.font = `600 ${11 * scale}px "Inter Variable", sans-serif`
  ctx.textAlign = 'center'
  let last = -Infinity
  for (const mark of marks.toSorted((a, b) => a.atMs - b.atMs)) {
    const x = Math.round(u.valToPos(mark.atMs / 1000, 'x', true))
    // Signs that would lie upon each other: the first one stands for both.
    if (x < bbox.left || x > bbox.left + bbox.width || x - last < 14 * scale) continue
    last = x
    ctx.setLineDash([2 * scale, 3 * scale])
    ctx.beginPath()
    ctx.moveTo(x, bbox.top + 14 * scale)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    ctx.fillText(mark.sign, x, bbox.top + 10 * scale)
  }
  ctx.restore()
}

const options = (props: Props, width: number, onHover: (index: number | null) => void, marksNow: () => readonly ChartMark[]): uPlot.Options => ({
  width,
  height: props.height,
  pxAlign: false,
  legend: { show: false },
  cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
  padding: [8, 22, 0, 0],
  scales: { x: { time: true }, y: { range: (_u, _min, max) => [0, Math.max(max ?? 0, 64 * 1024 * 1024) * 1.12] } },
  axes: [
    {
      stroke: token('--ink-3'),
      font: '11px "Inter Variable", sans-serif',
      grid: { show: false },
      ticks: { show: false },
      space: 90,
      size: 26,
      values: (_u, splits) => splits.map((s, i) => timeTick(s * 1000, (splits[i - 1] ?? s) * 1000, ((splits.at(-1) ?? 0) - (splits[0] ?? 0)) * 1000)),
    },
    {
      stroke: token('--ink-3'),
      font: '11px "Inter Variable", sans-serif',
      size: 58,
      space: 40,
      grid: { stroke: token('--line'), width: 1 },
      ticks: { show: false },
      incrs: Array.from({ length: 20 }, (_, i) => 2 ** i * 1024 ** 2),
      values: (_u, splits) => splits.map(axisBytes),
    },
  ],
  series: [
    {},
    ...props.lines.map((line) => ({
      label: line.label,
      stroke: token(line.color),
      width: line.width ?? 1.5,
      spanGaps: line.spans === true,
      points: { show: false },
      ...(line.dash === undefined ? {} : { dash: line.dash }),
      ...(line.fill === undefined ? {} : { fill: token(line.fill) }),
    })),
  ],
  hooks: {
    setCursor: [(u) => onHover(u.cursor.idx ?? null)],
    draw: [(u) => drawMarks(u, marksNow())],
  },
})

/** Writes the figures of one moment into the legend, past React: it happens with every move of the pointer. */
const writeFigures = (legend: HTMLElement | null, props: Props, hovered: number | null): void => {
  if (legend === null) return
  const index = hovered ?? props.atMs.length - 1
  for (const [i, node] of [...legend.querySelectorAll('[data-figure]')].entries()) {
    const column = props.columns[i]
    // Of a line that spans, the last that was known.
    const value = column?.[index] ?? (props.lines[i]?.spans === true ? (column?.slice(0, index + 1).findLast((one) => one !== null) ?? null) : null)
    node.textContent = value === null ? DASH : bytes(value)
  }
  const time = legend.querySelector('[data-time]')
  const at = props.atMs[index]
  if (time !== null) time.textContent = hovered === null || at === undefined ? '' : props.long === true ? moment(at, Date.now()) : clock(at)
}

const Plot = (props: Props) => {
  const { atMs, columns, lines, marks, height, label, range } = props
  const box = useRef<HTMLDivElement>(null)
  const legend = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const shown = useRef(props)
  const hovered = useRef<number | null>(null)

  useEffect(() => {
    const node = box.current
    if (node === null) return
    const hover = (index: number | null): void => {
      hovered.current = index
      writeFigures(legend.current, shown.current, index)
    }
    const made = new uPlot(options(shown.current, Math.max(100, node.clientWidth), hover, () => shown.current.marks ?? []), [[], ...shown.current.lines.map(() => [])], node)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: Math.max(100, node.clientWidth), height }))
    observer.observe(node)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [height])

  useEffect(() => {
    shown.current = { ...shown.current, atMs, columns, ...(marks === undefined ? {} : { marks }) }
    const u = plot.current
    if (u === null) return
    u.setData([atMs.map((t) => t / 1000), ...columns.map((column) => [...column])], false)
    const from = (range?.[0] ?? atMs[0] ?? 0) / 1000
    const to = (range?.[1] ?? atMs.at(-1) ?? 1) / 1000
    u.setScale('x', { min: from, max: Math.max(to, from + 1) })
    writeFigures(legend.current, shown.current, hovered.current)
  }, [atMs, columns, marks, range])

  return (
    <div className="chart">
      <div className="legend" ref={legend}>
        {lines.map((line) => (
          <span key={line.id} className="legend-item">
            <svg width="18" height="8" aria-hidden="true">
              <line x1="0" y1="4" x2="18" y2="4" stroke={`var(${line.color})`} strokeWidth={line.width ?? 1.5} strokeDasharray={line.dash?.join(' ')} />
            </svg>
            {line.label} <span className="legend-figure" data-figure="" />
          </span>
        ))}
        <span className="legend-time" data-time="" />
      </div>
      <div className="chart-plot" ref={box} style={{ height }} role="img" aria-label={label} />
    </div>
  )
}

/**
 * A line chart over time. The legend carries the figures under the pointer,
 * else the newest ones. Other lines, theme or height make another chart.
 */
export const SeriesChart = (props: Props) => {
  const dark = useSettings((state) => state.dark)
  return <Plot key={`${props.lines.map((line) => line.id).join(' ')} ${dark} ${props.height}`} {...props} />
}
