import { Progress as Radix } from 'radix-ui'

/** A bar with its text; `fraction` null means that nobody knows how long. */
export const ProgressBar = ({ fraction, label }: { fraction: number | null; label: string }) => (
  <Radix.Root className="progress" value={fraction === null ? null : Math.round(fraction * 100)} aria-label={label}>
    <Radix.Indicator className={fraction === null ? 'progress-fill progress-open' : 'progress-fill'} style={fraction === null ? {} : { transform: `scaleX(${Math.max(0.01, fraction)})` }} />
  </Radix.Root>
)
