import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts'
import type { AgentDelta, SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { axisBytes, bytes } from '../../format/format.ts'

const MOST = 14
const ROW_PX = 30

interface Item {
  name: string
  before: number | null
  after: number | null
}

const TipBox = ({ active, payload, label }: { active?: boolean; payload?: readonly { name?: unknown; value?: unknown }[]; label?: unknown }) =>
  active !== true || payload === undefined ? null : (
    <div className="tip">
      <strong>{String(label)}</strong>
      {payload.map((entry) => (
        <div key={String(entry.name)}>
          {String(entry.name)} {typeof entry.value === 'number' ? bytes(entry.value) : '–'}
        </div>
      ))}
    </div>
  )

const short = (text: string): string => (text.length > 26 ? `${text.slice(0, 25)}…` : text)

/** Before and after as pairs of bars; the same data stands in the tables below. */
const Bars = ({ delta, view, rows }: { delta: SnapshotDelta; view: 'agents' | 'machine'; rows: readonly AgentDelta[] }) => {
  const items: Item[] =
    view === 'machine'
      ? delta.machine.map((row) => ({ name: row.label, before: row.beforeBytes.value, after: row.afterBytes.value }))
      : rows.slice(0, MOST).map((row) => ({ name: `${row.title} ${row.name === row.title ? '' : row.name}`.trim(), before: row.beforeBytes.value, after: row.afterBytes.value }))
  const most = Math.max(1, ...items.flatMap((item) => [item.before ?? 0, item.after ?? 0]))
  const step = 2 ** Math.ceil(Math.log2(most / 5))
  const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step)
  if (items.length === 0) return <p className="muted">There was no agent at either moment.</p>
  return (
    <div className="bars" role="img" aria-label={`Before and after of ${view === 'machine' ? 'the machine' : 'the agents that changed most'}; the figures are in the tables below`}>
      <div className="legend" aria-hidden="true">
        <span className="legend-item">
          <span className="swatch swatch-before" /> Before
        </span>
        <span className="legend-item">
          <span className="swatch swatch-after" /> After
        </span>
        {view === 'agents' && rows.length > MOST && <span className="legend-time">the {MOST} that changed most</span>}
      </div>
      <ResponsiveContainer width="100%" height={items.length * ROW_PX + 34}>
        <BarChart data={items} layout="vertical" margin={{ top: 0, right: 16, bottom: 0, left: 0 }} barGap={2} barCategoryGap={7} accessibilityLayer={false}>
          <CartesianGrid horizontal={false} stroke="var(--line)" />
          <XAxis type="number" domain={[0, ticks.at(-1) ?? most]} ticks={ticks} tickFormatter={axisBytes} tick={{ fill: 'var(--ink-3)', fontSize: 11 }} axisLine={false} tickLine={false} />
          <YAxis type="category" dataKey="name" width={190} tickFormatter={short} tick={{ fill: 'var(--ink-2)', fontSize: 12 }} axisLine={false} tickLine={false} interval={0} />
          <Tooltip cursor={{ fill: 'var(--hover)' }} content={<TipBox />} isAnimationActive={false} />
          <Bar dataKey="before" name="Before" fill="var(--bar-pool)" radius={[0, 3, 3, 0]} isAnimationActive={false} />
          <Bar dataKey="after" name="After" fill="var(--ink)" radius={[0, 3, 3, 0]} isAnimationActive={false} />
        </BarChart>
      </ResponsiveContainer>
    </div>
  )
}

export default Bars
