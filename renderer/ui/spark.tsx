interface Point {
  atMs: number
  value: number | null
}

interface Props {
  points: readonly Point[]
  /** Drawn as a dashed line where it lies in the picture. */
  limit?: number | null
  label: string
  width?: number
  height?: number
}

const PAD = 3

/** Runs of known points: a gap stays a gap. */
const runsOf = (points: readonly Point[]): { atMs: number; value: number }[][] => {
  const runs: { atMs: number; value: number }[][] = [[]]
  for (const { atMs, value } of points) {
    if (value === null) runs.push([])
    else runs.at(-1)?.push({ atMs, value })
  }
  return runs.filter((run) => run.length > 0)
}

/** A line without axes beside its figure: only its shape speaks. */
export const Spark = ({ points, limit = null, label, width = 120, height = 32 }: Props) => {
  const runs = runsOf(points)
  const known = runs.flat()
  if (known.length < 2) return null
  const from = points[0]?.atMs ?? 0
  const span = Math.max(1, (points.at(-1)?.atMs ?? 1) - from)
  const values = known.map(({ value }) => value)
  const least = Math.min(...values)
  const most = Math.max(...values)
  // A level line lies in the middle, instead of on the ground.
  const range = most - least
  const x = (atMs: number): number => PAD + ((atMs - from) / span) * (width - 2 * PAD)
  const y = (value: number): number => (range === 0 ? height / 2 : height - PAD - ((value - least) / range) * (height - 2 * PAD))
  const last = known.at(-1)
  return (
    <svg className="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {limit !== null && limit > least && limit < most && <line className="spark-limit" x1={PAD} x2={width - PAD} y1={y(limit)} y2={y(limit)} />}
      {runs.map((run) => (
        <polyline key={run[0]?.atMs} className="spark-line" points={run.map((point) => `${x(point.atMs).toFixed(1)},${y(point.value).toFixed(1)}`).join(' ')} />
      ))}
      {last !== undefined && <circle className="spark-end" cx={x(last.atMs)} cy={y(last.value)} r="2.5" />}
    </svg>
  )
}
