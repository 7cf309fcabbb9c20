import type { RunDetail } from '../../../electron/contract/views.ts'
import { bytes, gigabytes, plural } from '../../format/format.ts'
import { resultWords } from './result-words.ts'

const Bar = ({ label, value, of, tone }: { label: string; value: number; of: number; tone: string }) => (
  <div className="ba-row">
    <span className="ba-label">{label}</span>
    <span className="ba-track">
      <span className={`ba-fill ba-${tone}`} style={{ width: `${of === 0 ? 0 : Math.max(0.5, (value / of) * 100)}%` }} />
    </span>
    <span className="num">{bytes(value)}</span>
  </div>
)

/** Before, after, and what would be now had nothing been done; noise beside the gain. */
export const ResultCard = ({ detail, headline = true }: { detail: RunDetail | null; headline?: boolean }) => {
  const words = resultWords(detail)
  const delta = detail?.delta ?? null
  const most = delta === null ? 0 : Math.max(delta.total.beforeBytes, delta.total.afterBytes, delta.total.expectedAfterBytes)
  const available = delta?.machine.find((row) => row.id === 'available')
  const treats = detail?.record.plan.steps.some((step) => step.source === 'reclaim') ?? false
  const treated = delta?.kinds.reduce((sum, kind) => sum + kind.treated.count, 0) ?? 0
  const control = delta?.kinds.reduce((sum, kind) => sum + (kind.control?.count ?? 0), 0) ?? 0
  return (
    <section className="result">
      {headline && (
        <>
          <p className={`result-title result-${words.tone}`}>{words.title}</p>
          {words.text !== '' && <p className="muted">{words.text}</p>}
        </>
      )}
      {delta !== null && delta.total.verdict !== 'nothing-to-compare' && (
        <>
          <div className="ba">
            <Bar label="Before" value={delta.total.beforeBytes} of={most} tone="before" />
            {delta.total.controlled !== 'none' && <Bar label="Left alone, it would be" value={delta.total.expectedAfterBytes} of={most} tone="expected" />}
            <Bar label="Now" value={delta.total.afterBytes} of={most} tone="after" />
          </div>
          <p className="muted result-foot">
            {plural(treated, 'agent')} {treats ? 'treated' : 'measured'}{control > 0 ? `, ${plural(control, 'agent')} left alone to compare` : ''}.
            {available !== undefined && available.beforeBytes.value !== null && available.afterBytes.value !== null
              ? ` Available memory went from ${gigabytes(available.beforeBytes.value)} to ${bytes(available.afterBytes.value)}.`
              : ''}
          </p>
        </>
      )}
    </section>
  )
}
