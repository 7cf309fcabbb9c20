import type { Live } from '../../../electron/contract/views.ts'
import { bytes, gigabytes } from '../../format/format.ts'
import { useLifecycle } from '../../stores/lifecycle.ts'

/** How much of the budget of all agents is used; nothing where none is set. */
export const BudgetBar = ({ live }: { live: Live }) => {
  const registry = useLifecycle((state) => state.registry)
  const limit = registry?.budget?.state === 'undone' ? null : (registry?.budget?.limits.highBytes ?? registry?.policy.budgetBytes ?? null)
  if (limit === null) return null
  const used = live.totals.agentsCostBytes
  const over = used > limit
  return (
    <p className="budget">
      <span className="budget-track" role="img" aria-label={`${bytes(used)} of a budget of ${bytes(limit)} used`}>
        <span className={over ? 'budget-fill budget-over' : 'budget-fill'} style={{ width: `${Math.min(100, (used / limit) * 100)}%` }} />
      </span>
      <span className={over ? 'problem' : 'muted'}>
        Budget of all agents <span className="num">{gigabytes(used)} of {bytes(limit)}</span>
        {over ? ': they are slowed down until they use less' : ''}
      </span>
    </p>
  )
}
