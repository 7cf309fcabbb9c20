import type { RunDetail } from '../../../electron/contract/views.ts'
import { bytes, figure, gigabytes, megabytes, percent, plural, unitOf } from '../../format/format.ts'
import { resultWords, waits } from './result-words.ts'

const Bar = ({ label, value, of, tone, text }: { label: string; value: number; of: number; tone: string; text: (value: number) => string }) => (
  <div className="ba-row">
    <span className="ba-label">{label}</span>
    <span className="ba-track">
      <span className={`ba-fill ba-${tone}`} style={{ width: `${of === 0 ? 0 : Math.max(0.5, (value / of) * 100)}%` }} />
    </span>
    <span className="num">{text(value)}</span>
  </div>
)

const inUnit = (unit: 'GB' | 'MB') => (value: number): string => `${unit === 'GB' ? gigabytes(value) : megabytes(value)}\u00a0${unit}`

/** Two bars of one figure, which is no memory of agents. */
const TwoBars = ({ before, after, labels, text }: { before: number | null; after: number | null; labels: readonly [string, string]; text: (value: number) => string }) =>
  before === null || after === null ? null : (
    <div className="ba">
      <Bar label={labels[0]} value={before} of={Math.max(before, after)} tone="before" text={text} />
      <Bar label={labels[1]} value={after} of={Math.max(before, after)} tone="after" text={text} />
    </div>
  )

/** Before, after, and what would be now had nothing been done; noise beside the gain. */
export const ResultCard = ({ detail, headline = true }: { detail: RunDetail | null; headline?: boolean }) => {
  const words = resultWords(detail)
  const delta = detail?.delta ?? null
  const most = delta === null ? 0 : Math.max(delta.total.beforeBytes, delta.total.afterBytes, delta.total.expectedAfterBytes)
  // In the unit of the gain, so that the bars' difference can be seen in their figures.
  const text = inUnit(unitOf(delta?.total.gainBytes ?? 0))
  const waiting = detail === null ? null : waits(detail)
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
      {pruned && available !== undefined && <TwoBars before={available.beforeBytes.value} after={available.afterBytes.value} labels={['Available before', 'Available now']} text={inUnit(unitOf(available.changeBytes.value ?? 0))} />}
      {waiting !== null && (
        <>
          <TwoBars before={waiting.row.before.value} after={waiting.row.after.value} labels={['Before', 'After']} text={waiting.row.unit === 'percent' ? percent : figure} />
          <p className="muted result-foot">{waiting.row.label}{waiting.row.unit === 'percent' ? '' : ', a minute'}.</p>
        </>
      )}
      {!pruned && waiting === null && delta !== null && delta.total.verdict !== 'nothing-to-compare' && (
        <>
          <div className="ba">
            <Bar label="Before" value={delta.total.beforeBytes} of={most} tone="before" text={text} />
            {delta.total.controlled !== 'none' && <Bar label="Left alone, it would be" value={delta.total.expectedAfterBytes} of={most} tone="expected" text={text} />}
            <Bar label="After" value={delta.total.afterBytes} of={most} tone="after" text={text} />
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
