import type { UnitTotals } from '../../../electron/contract/units.ts'
import { bytes } from '../../format/format.ts'

const tiers = [
  { id: 'hot', title: 'In memory', hint: 'used lately, each content once' },
  { id: 'warm', title: 'Compressed', hint: 'in memory, packed whole' },
  { id: 'cold', title: 'On disk', hint: 'old, read back when needed' },
] as const

/** What agents hold, and what of it is where: one bar to one scale. */
export const Tiers = ({ totals }: { totals: UnitTotals }) => {
  const stored = { hot: totals.hotBytes, warm: totals.warmBytes, cold: totals.coldBytes }
  const scale = Math.max(totals.bytes, stored.hot + stored.warm + stored.cold, 1)
  return (
    <div className="tiers">
      <div className="tiers-bar" role="img" aria-label={`${bytes(totals.bytes)} held: ${tiers.map(({ id, title }) => `${title.toLowerCase()} ${bytes(stored[id])}`).join(', ')}`}>
        {tiers.map(({ id }) => stored[id] > 0 && <span key={id} className={`tier tier-${id}`} style={{ width: `${(stored[id] / scale) * 100}%` }} />)}
      </div>
      <dl className="tiers-legend">
        {tiers.map(({ id, title, hint }) => (
          <div key={id}>
            <dt>
              <span className={`tier-key tier-${id}`} aria-hidden="true" /> {title}
            </dt>
            <dd>
              <strong>{bytes(stored[id])}</strong> <span className="muted">{hint}</span>
            </dd>
          </div>
        ))}
        <div>
          <dt>
            <span className="tier-key" aria-hidden="true" /> Not needed
          </dt>
          <dd>
            <strong>{bytes(Math.max(0, totals.bytes - stored.hot - stored.warm - stored.cold))}</strong> <span className="muted">the same, or packed away</span>
          </dd>
        </div>
      </dl>
    </div>
  )
}
