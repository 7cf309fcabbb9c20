import { CirclePause, Play } from 'lucide-react'
import type { Live } from '../../../electron/contract/views.ts'
import { plural } from '../../format/format.ts'
import { resume, suspendedIds, useWorking } from '../../stores/acts.ts'
import { openAsking } from '../../stores/flow.ts'
import { useFleet, useLifecycle } from '../../stores/lifecycle.ts'
import { Button } from '../../ui/button.tsx'
import { BigBytes } from '../../ui/figure.tsx'
import { Panel } from '../../ui/page.tsx'
import { Why } from '../../ui/why.tsx'

/** What suspending won so far, with the way back; before that, what it is and where to begin. */
export const SuspendedPanel = ({ live }: { live: Live }) => {
  const registry = useLifecycle((state) => state.registry)
  const byId = useLifecycle((state) => state.byId)
  const fleet = useFleet()
  const working = useWorking()
  const { suspendedCount, suspendedWonBytes } = live.totals
  const entries = (registry?.entries ?? []).filter((entry) => entry.state === 'suspended')
  // The registry hears of a change first; the totals know what it is worth now.
  const count = registry === null ? suspendedCount : entries.length
  const won = suspendedCount === count && suspendedWonBytes.value !== null ? suspendedWonBytes.value : entries.reduce((sum, entry) => sum + (entry.suspension?.wonBytes ?? 0), 0)
  const idle = fleet.flatMap((agent) => (agent.state === 'idle' && byId.get(agent.id)?.pinned !== true ? [agent.id] : []))
  const auto = registry?.policy.suspend.auto === true
  return (
    <Panel title="Suspended" className="suspended">
      {count === 0 ? (
        <p className="figure-line">
          <span className="big-value">None</span>
        </p>
      ) : (
        <p className="figure-line">
          <Why
            what="What suspending won"
            how="For each suspended agent, its cost before it was frozen less what it costs now, both measured."
            sources={['/proc/PID/smaps_rollup, before and now']}
            atMs={live.agentsMeasuredAtMs}
          >
            <BigBytes bytes={Math.max(0, won)} />
          </Why>
          <span className="figure-text">won</span>
        </p>
      )}
      <p className="figure-text suspended-text">
        {count > 0 ? `by ${plural(count, 'agent')}; a key wakes one` : auto ? 'Idle ones are frozen by themselves; a key wakes them' : 'Idle agents can be frozen; a key wakes them'}
      </p>
      <div className="row suspended-acts">
        {entries.length > 0 && (
          <Button size="s" disabled={working} icon={<Play aria-hidden="true" />} onClick={() => resume(suspendedIds())}>
            Resume all
          </Button>
        )}
        {(idle.length > 0 || count === 0) && (
          <Button size="s" disabled={working || idle.length === 0} icon={<CirclePause aria-hidden="true" />} onClick={() => openAsking({ of: 'suspend', ids: idle })}>
            Suspend {idle.length} idle…
          </Button>
        )}
      </div>
    </Panel>
  )
}
