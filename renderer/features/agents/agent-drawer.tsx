import { CirclePause, Pin, Play } from 'lucide-react'
import { useEffect } from 'react'
import { PAGE_OUT_PRESET_ID } from '../../../helper/contract/presets.ts'
import { bytes, duration, megabytes, until } from '../../format/format.ts'
import { pin, resume, useWorking } from '../../stores/acts.ts'
import { useCall, useNow } from '../../stores/data.ts'
import { openAsking, openPreset } from '../../stores/flow.ts'
import { useEntry, useFleet } from '../../stores/lifecycle.ts'
import { useLive } from '../../stores/live.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes, Gap } from '../../ui/figure.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Skeleton } from '../../ui/page.tsx'
import { StateMark } from '../../ui/state.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { Why } from '../../ui/why.tsx'
import { menuOf } from '../lifecycle/agent-actions.tsx'
import { LimitForm } from '../lifecycle/limit-form.tsx'
import { ProtectForm } from '../lifecycle/protect-form.tsx'
import { lineOf, nameOf } from '../lifecycle/words.ts'
import { MemoryTab } from './memory-tab.tsx'
import { isUnmeasured } from './rows.ts'
import { StatesTab } from './states-tab.tsx'

const IN_MENU: ReadonlySet<string> = new Set(['limit', 'protect', 'free'])

/** One agent in full: what it costs, its states and why, its limits. */
export const AgentDrawer = ({ id, onClose }: { id: string | null; onClose: () => void }) => {
  const loaded = useCall('agent.get', id === null ? null : { id })
  const fleet = useFleet()
  const entry = useEntry(id)
  const atMs = useLive((state) => state.live?.agentsMeasuredAtMs)
  const runOpen = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
  const working = useWorking()
  const now = useNow(1000)
  const { reload } = loaded
  useEffect(() => {
    if (id === null) return
    const timer = setInterval(reload, 10_000)
    return () => clearInterval(timer)
  }, [id, reload])
  const mine = loaded.data?.agent.id === id ? loaded.data : null
  const agent = fleet.find((one) => one.id === id) ?? mine?.agent ?? null
  if (id === null) return null
  const close = (work: () => void): void => {
    onClose()
    work()
  }
  const suspension = entry?.suspension ?? null
  return (
    <Dialog
      open
      side
      onClose={onClose}
      title={agent === null ? 'Agent' : nameOf(agent)}
      foot={
        agent !== null &&
        agent.state !== 'gone' && (
          <>
            <Menu label="More" kind="quiet" items={menuOf(agent, entry, true).filter((item) => IN_MENU.has(item.id)).map((item) => ({ ...item, onSelect: () => close(item.onSelect) }))} />
            <Button icon={<Pin aria-hidden="true" />} onClick={() => void pin([agent.id], entry?.pinned !== true)} disabled={entry === null}>
              {entry?.pinned === true ? 'Unpin' : 'Pin'}
            </Button>
            {agent.state === 'suspended' ? (
              <Button kind="primary" icon={<Play aria-hidden="true" />} disabled={working} onClick={() => resume([agent.id])}>
                Resume
              </Button>
            ) : (
              <>
                <Button disabled={runOpen} onClick={() => close(() => openPreset(PAGE_OUT_PRESET_ID, [agent.id]))}>
                  Page out…
                </Button>
                <Button kind="primary" icon={<CirclePause aria-hidden="true" />} disabled={working} onClick={() => close(() => openAsking({ of: 'suspend', ids: [agent.id] }))}>
                  Suspend…
                </Button>
              </>
            )}
          </>
        )
      }
    >
      {agent === null && loaded.error === null && <Skeleton lines={8} />}
      <FailureNotice failure={agent === null ? loaded.error : null} />
      {agent !== null && (
        <>
          <div>
            <p>
              <Why what="Cost of this agent" how="PSS of all its processes plus what its swapped pages take in the compressed pool." sources={agent.processes.map((process) => `/proc/${process.pid}/smaps_rollup`)} atMs={atMs}>
                {isUnmeasured(agent) ? <span className="big-value"><Gap reason="None of its processes has been measured yet." /></span> : <BigBytes bytes={agent.cost.costBytes} />}
              </Why>
              {agent.cost.unmeasured > 0 && !isUnmeasured(agent) && <span className="problem"> without {agent.cost.unmeasured} of {agent.processes.length} processes, which could not be read</span>}
            </p>
            <p className="drawer-state">
              <StateMark state={agent.state} />
              {entry !== null && (
                <span className="muted">
                  {entry.doing !== null
                    ? `${entry.doing}…`
                    : suspension !== null
                      ? `for ${duration(now - suspension.sinceMs)}, ${bytes(Math.max(0, suspension.wonBytes))} won: ${megabytes(suspension.before.costBytes)} MB before, ${megabytes(suspension.after.costBytes)} MB after`
                      : entry.state === 'active'
                        ? (entry.activity.reasons[0]?.text ?? '')
                        : entry.suspendsAtMs !== null
                          ? `will be suspended ${until(entry.suspendsAtMs, now)} if it stays idle`
                          : [agent.idleMs.value === null ? '' : `for ${duration(agent.idleMs.value)}`, entry.pinned ? 'pinned: never suspended' : ''].filter((part) => part !== '').join(', ')}
                </span>
              )}
            </p>
          </div>
          {entry?.problem != null && (
            <Notice tone="problem" title="The last try did not work">
              {lineOf(entry.problem)}
            </Notice>
          )}
          <Tabs
            key={agent.id}
            label="About this agent"
            tabs={[
              { id: 'memory', title: 'Memory', body: <MemoryTab agent={agent} entry={entry} series={mine?.series} /> },
              { id: 'states', title: 'States', body: <StatesTab agent={agent} entry={entry} /> },
              { id: 'limits', title: 'Limits', body: <LimitForm key={entry?.limit?.setAtMs ?? 0} id={agent.id} present={entry?.limit ?? null} usedBytes={isUnmeasured(agent) ? null : agent.cost.pssBytes} /> },
              ...(entry === null ? [] : [{ id: 'protect', title: 'Protection', body: <ProtectForm entry={entry} name={nameOf(agent)} /> }]),
            ]}
          />
        </>
      )}
    </Dialog>
  )
}
