import { useState } from 'react'
import type { Live } from '../../../electron/contract/views.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { BusyReason, RegistryEntry } from '../../../helper/contract/lifecycle.ts'
import { megabytes, missingWords, plural } from '../../format/format.ts'
import { isWorking } from '../../stores/act.ts'
import { putAwayAct, resume, stopAct, suspend, useActs, useWorking } from '../../stores/acts.ts'
import { closeAsking, openAsking } from '../../stores/flow.ts'
import { useFleet, useLifecycle } from '../../stores/lifecycle.ts'
import { useLive } from '../../stores/live.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { BigBytes, Gap } from '../../ui/figure.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Why } from '../../ui/why.tsx'
import { ActResult } from './act-result.tsx'
import { AbilityNotice } from './ability.tsx'
import { estimateWin } from './estimate.ts'
import { nameOf } from './words.ts'

/** These keep an agent running whatever anybody asks for. */
const never: ReadonlySet<BusyReason> = new Set(['tool', 'subagent', 'debugger', 'lock', 'pinned', 'starting'])

interface Sorted {
  ready: Agent[]
  /** Busy, but could be stopped in the middle if the user says so. */
  busy: { agent: Agent; why: string }[]
  left: { agent: Agent; why: string }[]
}

const sortOut = (chosen: readonly Agent[], byId: ReadonlyMap<string, RegistryEntry>): Sorted => {
  const sorted: Sorted = { ready: [], busy: [], left: [] }
  for (const agent of chosen) {
    const entry = byId.get(agent.id)
    const hard = entry?.activity.reasons.find(({ reason }) => never.has(reason))
    const soft = entry?.activity.reasons[0]
    if (agent.state === 'suspended' || agent.state === 'gone') sorted.left.push({ agent, why: agent.state === 'gone' ? 'It has ended.' : 'It is suspended already.' })
    else if (entry?.pinned === true) sorted.left.push({ agent, why: 'You pinned it.' })
    else if (hard !== undefined) sorted.left.push({ agent, why: `It ${hard.text}.` })
    else if (soft !== undefined) sorted.busy.push({ agent, why: `It ${soft.text}.` })
    else sorted.ready.push(agent)
  }
  return sorted
}

const Reasons = ({ list }: { list: Sorted['left'] }) => (
  <ul className="agent-reasons">
    {list.map(({ agent, why }) => (
      <li key={agent.id}>
        <strong>{nameOf(agent)}</strong> <span className="muted">{why}</span>
      </li>
    ))}
  </ul>
)

const Win = ({ agents, live }: { agents: readonly Agent[]; live: Live }) => {
  const registry = useLifecycle((state) => state.registry)
  const { bytes, basis } = estimateWin(agents, live, registry)
  return (
    <p className="figure-line">
      <span className="figure-text">About</span>
      <Why what="What suspending would win" how={basis} sources={['/proc/PID/smaps_rollup of these agents']} atMs={live.agentsMeasuredAtMs}>
        {bytes.value === null ? <span className="big-value"><Gap reason={missingWords(bytes.reason, bytes.detail)} /></span> : <BigBytes bytes={bytes.value} />}
      </Why>
      <span className="figure-text">would come free. What was really won is measured afterwards.</span>
    </p>
  )
}

/** What suspending will do, before it is done. */
export const SuspendDialog = ({ ids }: { ids: readonly string[] }) => {
  const fleet = useFleet()
  const live = useLive((state) => state.live)
  const { byId, registry } = useLifecycle()
  const working = useWorking()
  const [busyToo, setBusyToo] = useState(ids.length === 1)
  const wanted = new Set(ids)
  const chosen = fleet.filter((agent) => wanted.has(agent.id))
  const { ready, busy, left } = sortOut(chosen, byId)
  const going = busyToo ? [...ready, ...busy.map(({ agent }) => agent)] : ready
  const able = registry?.suspend ?? null
  const only = ids.length === 1 ? chosen[0] : undefined
  return (
    <Dialog
      open
      onClose={closeAsking}
      title={only === undefined ? `Suspend ${plural(ids.length, 'agent')}: what will happen` : `Suspend ${nameOf(only)}: what will happen`}
      lead={`${going.length === 1 ? 'It is frozen as it is and its' : 'They are frozen as they are and their'} memory moves into compressed swap. Timers and connections wait. The first key typed ${going.length === 1 ? 'into it wakes it' : 'into one wakes it'}; Resume does, too.`}
      foot={
        <>
          <span className="grow">{able?.how === 'helper' ? 'You may be asked for your password, once. ' : ''}{working ? 'Another one is under way; see below the page.' : ''}</span>
          <Button onClick={closeAsking}>Not now</Button>
          <Button
            kind="primary"
            disabled={going.length === 0 || working || able?.how === null}
            onClick={() => {
              openAsking({ of: 'act' })
              suspend(going.map((agent) => agent.id))
            }}
          >
            {going.length === 0 || only !== undefined ? (busy.length > 0 && only !== undefined ? 'Suspend anyway' : 'Suspend') : `Suspend ${plural(going.length, 'agent')}`}
          </Button>
        </>
      }
    >
      {able !== null && <AbilityNotice ability={able} title="Agents cannot be suspended here yet" />}
      {registry === null && (
        <Notice tone="info" title="Whether they are busy is not known yet">
          The session helper has not said so far. It looks again before it freezes anything.
        </Notice>
      )}
      {going.length > 0 && live !== null && <Win agents={going} live={live} />}
      {ready.length > 0 && only === undefined && (
        <details>
          <summary>
            <strong>{plural(ready.length, 'idle agent')}</strong> {able?.how === null ? 'could be suspended' : 'will be suspended'}
          </summary>
          <ul className="names">
            {ready.map((agent) => (
              <li key={agent.id}>
                {nameOf(agent)} <span className="muted">{megabytes(agent.cost.costBytes)}&nbsp;MB</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {busy.length > 0 && (
        <section>
          <h3 className="plan-heading">{only === undefined ? 'Busy' : 'It is busy'}</h3>
          <Reasons list={busy} />
          <p className="muted">Suspending stops {busy.length === 1 ? 'it' : 'them'} in the middle: an answer on its way may be lost.</p>
          {only === undefined && <Checkbox label={`Suspend ${busy.length === 1 ? 'this one' : `these ${busy.length}`} as well`} checked={busyToo} onChange={setBusyToo} />}
        </section>
      )}
      {left.length > 0 && (
        <section>
          <h3 className="plan-heading">{going.length === 0 ? 'Cannot be suspended now' : 'Left running'}</h3>
          <Reasons list={left} />
        </section>
      )}
      {chosen.length === 0 && <Notice tone="info" title="These agents have ended" />}
    </Dialog>
  )
}

/** The act under way, then its result with the way back beside it. */
export const ActDialog = () => {
  const act = useActs((state) => state.act)
  if (act === null) return null
  const working = isWorking(act)
  const close = (): void => {
    closeAsking()
    putAwayAct()
  }
  const made = act.suspended.map((entry) => entry.agentId)
  return (
    <Dialog
      open
      onClose={close}
      title={act.kind === 'suspend' ? (working ? 'Suspending' : 'Suspended') : working ? 'Resuming' : 'Resumed'}
      foot={
        working ? (
          <>
            <span className="grow">You can close this; the bar under every page goes on showing it.</span>
            <Button busy={act.state === 'stopping'} onClick={stopAct}>
              Stop
            </Button>
            <Button kind="quiet" onClick={close}>
              Close
            </Button>
          </>
        ) : (
          <>
            <span className="grow" />
            {made.length > 0 && (
              <Button
                onClick={() => {
                  closeAsking()
                  resume(made)
                }}
              >
                Resume {made.length === 1 ? 'it' : 'them'}
              </Button>
            )}
            <Button kind="primary" onClick={close}>
              Done
            </Button>
          </>
        )
      }
    >
      <ActResult act={act} />
    </Dialog>
  )
}
