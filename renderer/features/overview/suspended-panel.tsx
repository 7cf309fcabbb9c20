import { CirclePause, Play } from 'lucide-react'
import { plural } from '../../format/format.ts'
import { resume, suspendedIds, useWorking } from '../../stores/acts.ts'
import { openAsking } from '../../stores/flow.ts'
import { useFleet, useLifecycle } from '../../stores/lifecycle.ts'
import { Button } from '../../ui/button.tsx'
import { BigBytes } from '../../ui/figure.tsx'
import { Panel } from '../../ui/page.tsx'
import { Why } from '../../ui/why.tsx'

/** What suspending won so far, with the way back; before that, what it is and where to begin. */
export const SuspendedPanel = () => {
  const registry = useLifecycle((state) => state.registry)
  const byId = useLifecycle((state) => state.byId)
  const fleet = useFleet()
  const working = useWorking()
  const suspended = (registry?.entries ?? []).flatMap((entry) => (entry.state === 'suspended' ? [entry] : []))
  const won = suspended.reduce((sum, entry) => sum + (entry.suspension?.wonBytes ?? 0), 0)
  const idle = fleet.flatMap((agent) => (agent.state === 'idle' && byId.get(agent.id)?.pinned !== true ? [agent.id] : []))
  const auto = registry?.policy.suspend.auto === true
  return (
    <Panel title="Suspended" className="suspended">
      {suspended.length === 0 ? (
        <p className="figure-line">
          <span className="big-value">{registry === null ? '…' : 'None'}</span>
        </p>
      ) : (
        <p className="figure-line">
          <Why
            what="What suspending won"
            how="For each suspended agent, its cost before it was frozen less its cost once its memory had been moved out, both measured."
            sources={['/proc/PID/smaps_rollup, before and after']}
            atMs={registry?.takenAtMs}
          >
            <BigBytes bytes={Math.max(0, won)} />
          </Why>
          <span className="figure-text">won</span>
        </p>
      )}
      <p className="figure-text suspended-text">
        {suspended.length > 0 ? `by ${plural(suspended.length, 'agent')}; a key wakes one` : auto ? 'Idle ones are frozen by themselves; a key wakes them' : 'Idle agents can be frozen; a key wakes them'}
      </p>
      <div className="row suspended-acts">
        {suspended.length > 0 && (
          <Button size="s" disabled={working} icon={<Play aria-hidden="true" />} onClick={() => resume(suspendedIds())}>
            Resume all
          </Button>
        )}
        {(idle.length > 0 || suspended.length === 0) && (
          <Button size="s" disabled={working || idle.length === 0} icon={<CirclePause aria-hidden="true" />} onClick={() => openAsking({ of: 'suspend', ids: idle })}>
            Suspend {idle.length} idle…
          </Button>
        )}
      </div>
    </Panel>
  )
}
