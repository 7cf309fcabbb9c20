import { signsTold } from './kinds.ts'

/** The key to the signs over a chart of memory. */
export const ChartSigns = () => (
  <span className="chart-signs">
    {signsTold.map((told) => (
      <span key={told}>{told}</span>
    ))}
  </span>
)
