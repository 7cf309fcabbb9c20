import { ArrowRight } from 'lucide-react'
import { isListed, type Live } from '../../../electron/contract/views.ts'
import type { Progress } from '../../../helper/contract/runs.ts'
import { count, missingWords, plural } from '../../format/format.ts'
import { openPreset } from '../../stores/flow.ts'
import { useRun, isOpenState } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { BigBytes, Gap } from '../../ui/figure.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Panel } from '../../ui/page.tsx'
import { Why } from '../../ui/why.tsx'
import { SuspendedPanel } from './suspended-panel.tsx'
import { usePresets } from '../presets/use-presets.ts'

/** The preset that the large button offers: the one that wins most. */
const MAIN_PRESET = 'more-agents'

/** One button a preset; each opens its plan. */
const Presets = ({ blocked }: { blocked: boolean }) => {
  const { data, error, reload } = usePresets()
  if (error !== null) return <FailureNotice failure={error} onRetry={reload} />
  const list = (data?.presets ?? []).filter(isListed)
  const main = list.find((entry) => entry.preset.id === MAIN_PRESET) ?? list[0]
  const others = list.filter((entry) => entry !== main)
  return (
    <ul className="presets" aria-label="Presets">
      <li>
        <Button kind="primary" disabled={main === undefined || blocked} title={main?.preset.description} onClick={() => main !== undefined && openPreset(main.preset.id)}>
          {main?.preset.title ?? 'More agents'}
          <ArrowRight aria-hidden="true" />
        </Button>
      </li>
      {others.map(({ preset }) => (
        <li key={preset.id}>
          <Button disabled={blocked} title={preset.description} onClick={() => openPreset(preset.id)}>
            {preset.title}
          </Button>
        </li>
      ))}
    </ul>
  )
}

const Room = ({ live }: { live: Live }) => {
  const { roomFor, roomForAfter } = live.totals
  return (
    <Panel title="Room for" className="room">
      <p className="figure-line">
        <Why
          what="Room for more agents"
          how="Available memory divided by what the middle one of your agents takes before any of it is paged out. After: the same with what you could get back added."
          sources={['/proc/meminfo (MemAvailable)', '/proc/PID/smaps_rollup of all agents']}
          atMs={live.agentsMeasuredAtMs}
        >
          <span className="big-value">{roomFor.value === null ? <Gap reason={missingWords(roomFor.reason, roomFor.detail)} /> : count(roomFor.value)}</span>
          <span className="big-unit"> more</span>
        </Why>
      </p>
      <p className="figure-text">agents like yours{roomForAfter.value !== null && roomFor.value !== null && roomForAfter.value > roomFor.value ? <>, <span className="no-wrap"><strong className="num">{count(roomForAfter.value)}</strong> after</span></> : ''}</p>
    </Panel>
  )
}

/** Why the buttons rest, or that pressing one does nothing yet. */
const asideOf = (run: Progress | null): string =>
  run === null || !isOpenState(run.state) ? 'What will happen is shown first.' : run.state === 'waiting' ? 'Decide on the run below first.' : 'One run at a time; see below.'

/** Without agents there is nothing to win, but layers can still be turned on and off. */
export const PresetsOnly = () => {
  const run = useRun((state) => state.progress)
  const blocked = run !== null && isOpenState(run.state)
  return (
    <Panel title="Presets" aside={asideOf(run)}>
      <Presets blocked={blocked} />
    </Panel>
  )
}

/** What can be won, what to press, and what that makes room for. */
export const GetBack = ({ live }: { live: Live }) => {
  const { couldGetBackBytes, couldGetBackBasis, idleCount, agentsCount, suspendedCount } = live.totals
  const run = useRun((state) => state.progress)
  const blocked = run !== null && isOpenState(run.state)
  return (
    <div className="get-back">
      <Panel title="You could get back up to" aside={asideOf(run)} className="win">
        <p className="figure-line">
          <Why what="What you could get back" how={couldGetBackBasis} sources={['/proc/PID/smaps_rollup of the idle agents']} atMs={live.agentsMeasuredAtMs}>
            {couldGetBackBytes.value === null ? <span className="big-value"><Gap reason={missingWords(couldGetBackBytes.reason, couldGetBackBytes.detail)} /></span> : <BigBytes bytes={couldGetBackBytes.value} />}
          </Why>
          <span className="figure-text">{idleCount === 0 ? (suspendedCount > 0 && suspendedCount === agentsCount ? 'all of your agents are suspended already' : `none of your ${plural(agentsCount, 'agent')} is idle yet; Settings says from when`) : `from ${plural(idleCount, 'idle agent')}`}</span>
        </p>
        <Presets blocked={blocked} />
      </Panel>
      <SuspendedPanel live={live} />
      <Room live={live} />
    </div>
  )
}
