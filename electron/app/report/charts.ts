import { BarChart } from 'echarts/charts'
import { GridComponent, LegendComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { figure, unitFor, type ByteUnit } from './format.ts'
import type { ReportModel } from './model.ts'

use([BarChart, GridComponent, LegendComponent, SVGRenderer])

/** Colours of a chart. In HTML they are CSS variables, so that one drawing serves light and dark. */
export interface Palette {
  ink: string
  line: string
  before: string
  expected: string
  after: string
  control: string
  other: string
}

export const PAPER: Palette = { ink: '#4a4c54', line: '#e4e4df', before: '#b4b5b0', expected: '#8a8c96', after: '#0f8f6d', control: '#0b62c4', other: '#6a4bb0' }

export interface Chart {
  id: string
  title: string
  /** The same in words, for those who do not see it. */
  text: string
  svg: string
  height: number
}

interface Bars {
  id: string
  title: string
  labels: readonly string[]
  /** Of each label: figures beside the bars show no more digits than it allows. */
  noise: readonly (number | null)[]
  /** Series of one `stack` share a bar: each label has a value in one of them. */
  series: readonly { name: string; color: string; values: readonly (number | null)[]; stack?: string }[]
}

const BYTES: Record<ByteUnit, number> = { GB: 1024 ** 3, MB: 1024 ** 2 }
const GROUPS = { treated: 'After', control: 'After, control left alone', other: 'After, not touched' } as const
const shorten = (label: string, most: number): string => (label.length > most ? `${label.slice(0, most - 1)}…` : label)

/** Horizontal bars: labels are names, and names are long. */
const draw = ({ id, title, labels, noise, series }: Bars, palette: Palette, width: number, fontFamily: string): Chart => {
  const unit = unitFor(series.flatMap((one) => one.values), 2000)
  const rowPx = new Set(series.map((one) => one.stack ?? one.name)).size * 13 + 12
  const height = 62 + (width < 500 ? 22 : 0) + labels.length * rowPx
  // On a phone names get less room and there are fewer ticks; the bars stay whole.
  const isNarrow = width < 500
  const labelPx = isNarrow ? 122 : 198
  const text = { color: palette.ink, fontFamily, fontSize: 12 }
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({
    animation: false,
    legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 12, icon: 'rect', itemGap: 18, textStyle: text, selectedMode: false },
    grid: { left: labelPx + 12, right: isNarrow ? 36 : 56, top: isNarrow ? 56 : 34, bottom: 26 },
    xAxis: { type: 'value', axisLabel: { ...text, formatter: (value: number) => `${value} ${unit}` }, splitLine: { lineStyle: { color: palette.line } }, splitNumber: isNarrow ? 2 : 4 },
    yAxis: {
      type: 'category',
      inverse: true,
      data: labels.map((label) => shorten(label, isNarrow ? 19 : 30)),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...text, interval: 0, width: labelPx, overflow: 'truncate' },
    },
    series: series.map((one) => ({
      type: 'bar',
      silent: true,
      name: one.name,
      ...(one.stack === undefined ? {} : { stack: one.stack }),
      barWidth: 11,
      barGap: '18%',
      color: one.color,
      label: {
        show: true,
        position: 'right',
        ...text,
        fontSize: 11,
        formatter: ({ dataIndex, value }: { dataIndex: number; value: unknown }) => (typeof value === 'number' ? figure(value * BYTES[unit], unit, noise[dataIndex] ?? null) : ''),
      },
      data: one.values.map((value) => (value === null ? '-' : Math.max(0, value) / BYTES[unit])),
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  const inWords = (name: string, value: number | null, noiseBytes: number | null, shared: boolean): string[] =>
    value === null ? (shared ? [] : [`${name} not known`]) : [`${name} ${figure(value, unit, noiseBytes)} ${unit}`]
  const words = labels.map((label, i) => `${label}: ${series.flatMap((one) => inWords(one.name, one.values[i] ?? null, noise[i] ?? null, one.stack !== undefined)).join(', ')}`)
  return { id, title, text: words.join('; '), svg, height }
}

/** Agents beyond this many are in the table only. */
export const MOST_BARS = 30
const MACHINE_BARS = ['agents', 'available', 'pool', 'cache', 'swap-used']

/** Charts of what the model holds; none where there is nothing to draw. */
export const drawCharts = (model: ReportModel, palette: Palette, width: number, fontFamily: string): Chart[] => {
  const { delta } = model
  if (delta === null) return []
  const bars: Bars[] = []
  if (delta.kinds.length > 0) {
    bars.push({
      id: 'kinds',
      title: 'What agents cost',
      labels: delta.kinds.map((kind) => `${kind.title} (${kind.treated.count})`),
      noise: delta.kinds.map((kind) => kind.noiseBytes.value),
      series: [
        { name: 'Before', color: palette.before, values: delta.kinds.map((kind) => kind.treated.beforeBytes) },
        ...(delta.total.controlled === 'none' ? [] : [{ name: 'Expected now, left alone', color: palette.expected, values: delta.kinds.map((kind) => (kind.control === null ? null : kind.expectedAfterBytes)) }]),
        { name: 'Now', color: palette.after, values: delta.kinds.map((kind) => kind.treated.afterBytes) },
      ],
    })
  }
  const machine = delta.machine.filter((row) => MACHINE_BARS.includes(row.id) && (row.beforeBytes.value !== null || row.afterBytes.value !== null))
  if (machine.length > 0) {
    bars.push({
      id: 'machine',
      title: 'The machine, before and after',
      labels: machine.map((row) => row.label),
      noise: machine.map((row) => row.noiseBytes.value),
      series: [
        { name: 'Before', color: palette.before, values: machine.map((row) => row.beforeBytes.value) },
        { name: 'After', color: palette.after, values: machine.map((row) => row.afterBytes.value) },
      ],
    })
  }
  const agents = model.agents.slice(0, MOST_BARS)
  if (agents.length > 0) {
    const colors = { treated: palette.after, control: palette.control, other: palette.other }
    const groups = (['treated', 'control', 'other'] as const).filter((group) => agents.some((agent) => agent.group === group))
    bars.push({
      id: 'agents',
      title: model.agents.length > MOST_BARS ? `The ${MOST_BARS} largest agents, before and after` : 'Each agent, before and after',
      labels: agents.map((agent) => agent.label),
      noise: agents.map((agent) => agent.noiseBytes.value),
      series: [
        { name: 'Before', color: palette.before, values: agents.map((agent) => agent.beforeBytes.value) },
        ...groups.map((group) => ({ name: GROUPS[group], color: colors[group], stack: 'after', values: agents.map((agent) => (agent.group === group ? agent.afterBytes.value : null)) })),
      ],
    })
  }
  return bars.map((one) => draw(one, palette, width, fontFamily))
}
