import type { RunDetail } from '../../../electron/contract/views.ts'
import { bytes, gigabytes, megabytes, percent, plural, unitOf } from '../../format/format.ts'
import { resultWords } from './result-words.ts'

const Bar = ({ label, value, of, tone, unit }: { label: string; value: number; of: number; tone: string; unit: 'GB' | 'MB' }) => (
  <div className="ba-row">
    <span className="ba-label">{label}</span>
    <span className="ba-track">
      <span className={`ba-fill ba-${tone}`} style={{ width: `${of === 0 ? 0 : Math.max(0.5, (value / of) * 100)}%` }} />
    </span>
    <span className="num">
      {unit === 'GB' ? gigabytes(value) : megabytes(value)}&nbsp;{unit}
    </span>
  </div>
)

/** Before, after, and what would be now had nothing been done; noise beside the gain. */
export const ResultCard = ({ detail, headline = true }: { detail: RunDetail | null; headline?: boolean }) => {
  const words = resultWords(detail)
  const delta = detail?.delta ?? null
  const most = delta === null ? 0 : Math.max(delta.total.beforeBytes, delta.total.afterBytes, delta.total.expectedAfterBytes)
  // In the unit of the gain, so that the bars' difference can be seen in their figures.
  const unit = unitOf(delta?.total.gainBytes ?? 0)
  const share = delta !== null && delta.total.verdict === 'gain' ? delta.total.gainPercent.value : null
  const available = delta?.machine.find((row) => row.id === 'available')
  // Dropped caches are no memory of agents: what counts is what became available.
  const pruned = detail !== null && detail.record.plan.steps.length > 0 && detail.record.plan.steps.every((step) => step.source === 'prune-cache')
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
      {pruned && available !== undefined && available.beforeBytes.value !== null && available.afterBytes.value !== null && (
        <div className="ba">
          <Bar label="Available before" value={available.beforeBytes.value} of={Math.max(available.beforeBytes.value, available.afterBytes.value)} tone="before" unit={unitOf(available.changeBytes.value ?? 0)} />
          <Bar label="Available now" value={available.afterBytes.value} of={Math.max(available.beforeBytes.value, available.afterBytes.value)} tone="after" unit={unitOf(available.changeBytes.value ?? 0)} />
        </div>
      )}
      {!pruned && delta !== null && delta.total.verdict !== 'nothing-to-compare' && (
        <>
          <div className="ba">
            <Bar label="Before" value={delta.total.beforeBytes} of={most} tone="before" unit={unit} />
            {delta.total.controlled !== 'none' && <Bar label="Left alone, it would be" value={delta.total.expectedAfterBytes} of={most} tone="expected" unit={unit} />}
            <Bar label="After" value={delta.total.afterBytes} of={most} tone="after" unit={unit} />
          </div>
          <p className="muted result-foot">
            {share === null ? '' : `${percent(Math.round(share))} less than ${delta.total.controlled === 'none' ? 'before' : 'they would use otherwise'}. `}
            {plural(treated, 'agent')} {treats ? 'treated' : 'measured'}{control > 0 ? `, ${plural(control, 'agent')} left alone to compare` : ''}.
            {available !== undefined && available.beforeBytes.value !== null && available.afterBytes.value !== null
              ? ` Available memory of the whole machine went from ${gigabytes(available.beforeBytes.value)} to ${bytes(available.afterBytes.value)}.`
              : ''}
          </p>
        </>
      )}
    </section>
  )
}
