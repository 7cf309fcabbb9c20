import { useEffect, useState } from 'react'
import type { Answer } from '../../../electron/contract/channels.ts'
import type { PlanView, PresetView } from '../../../electron/contract/views.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import { changesNothing, nothingToUndo } from '../../../helper/contract/plan.ts'
import { layerPresetId } from '../../../helper/contract/presets.ts'
import { call } from '../../api.ts'
import { ago, plural } from '../../format/format.ts'
import { useCall, useNow } from '../../stores/data.ts'
import { closePreset, openPreset, useFlow, type Trying } from '../../stores/flow.ts'
import { go } from '../../stores/route.ts'
import { useLive } from '../../stores/live.ts'
import { cancel, isOpenState, keep, putAway, undo, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Skeleton } from '../../ui/page.tsx'
import { PlanBody } from './plan-view.tsx'
import { RunBody } from './run-body.tsx'
import { usePresets } from './use-presets.ts'
import './presets.css'

interface Planned {
  /** The question that this answers; another one is still being asked while it differs. */
  turn: number
  view: PlanView | null
  error: Failure | null
}

/** A preset for some agents, or a solution of a finding. */
type Wanted = { presetId: string; agentIds: readonly string[] | null } | { trying: Trying }

const planOf = (wanted: Wanted): Promise<Answer<'plan.make'>> =>
  'trying' in wanted
    ? call('diagnosis.try', { rule: wanted.trying.rule, subject: wanted.trying.subject, solution: wanted.trying.solution })
    : call('plan.make', { presetId: wanted.presetId, agentIds: wanted.agentIds === null ? null : [...wanted.agentIds] })

/** Plans what is wanted, and again on demand; an overtaken plan is dropped. */
const usePlan = (wanted: Wanted): { view: PlanView | null; error: Failure | null; planning: boolean; again: () => void; setError: (error: Failure | null) => void } => {
  const [state, setState] = useState<Planned>({ turn: -1, view: null, error: null })
  const [turn, setTurn] = useState(0)
  // The dialog is made anew for another preset or solution.
  const [asked] = useState(wanted)
  useEffect(() => {
    let current = true
    void planOf(asked).then((answer) => {
      if (!current) return
      // Why the plan had to be made again stays on screen beside the new one.
      setState((old) => (answer.ok ? { turn, view: answer.value, error: old.error?.code === 'plan-changed' ? old.error : null } : { turn, view: null, error: answer.error }))
    })
    return () => {
      current = false
    }
  }, [asked, turn])
  return { view: state.view, error: state.error, planning: state.turn !== turn, again: () => setTurn((n) => n + 1), setError: (error) => setState((old) => ({ ...old, error })) }
}

const simulationText = 'This is what would be done. Changing settings needs the helper, a small program that runs as root and asks for each change. Looking works without it.'

const footText = (view: PlanView | null): string => {
  if (view === null) return ''
  if (view.simulation) return 'Simulation: nothing can be changed without the helper.'
  if (changesNothing(view.plan)) return 'There is nothing to change.'
  return `${plural(view.plan.steps.length, 'step')}. ${view.asksPassword ? 'You may be asked for your password. ' : ''}${nothingToUndo(view.plan) ? 'Nothing stays on, so there is nothing to undo.' : 'Everything is undone unless you keep it.'}`
}

/** Paging out was asked for alone and refused. A plan that asks for compressed swap itself and does not get it has said why. */
const onlyPagingRefused = ({ plan: { steps, skipped } }: PlanView): boolean =>
  skipped.some((skip) => skip.source === 'reclaim' && skip.kind === 'impossible') && ![...steps, ...skipped].some((entry) => entry.source === 'compressed-swap')

/** Paging out that cannot be done for want of compressed swap leads to the switch for it. */
const NeedsSwap = ({ view }: { view: PlanView }) => {
  const refused = onlyPagingRefused(view)
  const machine = useCall('machine.get', refused ? {} : null, ['machine'])
  const swap = machine.data?.layers.find((layer) => layer.id === 'compressed-swap')
  if (!refused || swap === undefined || swap.state === 'on' || swap.state === 'unavailable') return null
  return (
    <Notice tone="info" title="Compressed swap is needed first" actions={<Button size="s" onClick={() => openPreset(layerPresetId('compressed-swap', 'on'))}>Turn on compressed swap</Button>}>
      Memory of agents can move only into compressed swap, and there is none. Turn it on and keep it, then page out.
    </Notice>
  )
}

const wordsOf = (wanted: Wanted, presets: readonly PresetView[]): { title: string; scope: string } => {
  if ('trying' in wanted) return { title: wanted.trying.title, scope: wanted.trying.lead }
  const { presetId, agentIds } = wanted
  const preset = presets.find((entry) => entry.preset.id === presetId)?.preset
  const description = preset?.description ?? ''
  return { title: preset?.title ?? 'Preset', scope: agentIds === null ? description : `${description} Only for ${agentIds.length === 1 ? 'this agent' : `these ${agentIds.length} agents`}.` }
}

export const PresetDialog = () => {
  const { presetId, agentIds, trying } = useFlow()
  if (trying !== null) return <OpenDialog key={`${trying.rule} ${trying.subject} ${trying.solution}`} wanted={{ trying }} />
  return presetId === null ? null : <OpenDialog key={`${presetId} ${agentIds?.join(' ') ?? 'all'}`} wanted={{ presetId, agentIds }} />
}

const OpenDialog = ({ wanted }: { wanted: Wanted }) => {
  const presets = usePresets()
  const { title, scope } = wordsOf(wanted, presets.data?.presets ?? [])
  const { view, error, planning, again, setError } = usePlan(wanted)
  const [runId, setRunId] = useState<string | null>(null)
  const [applying, setApplying] = useState(false)
  const run = useRun()
  const now = useNow(1000)
  const helper = useLive((state) => state.live?.helper ?? null)
  const mine = runId !== null && run.progress?.runId === runId ? run.progress : null

  const close = (): void => {
    if (mine !== null && !isOpenState(mine.state)) putAway(mine.runId)
    closePreset()
  }

  const apply = async (): Promise<void> => {
    if (view === null) return
    setApplying(true)
    setError(null)
    const agentIds = 'trying' in wanted || wanted.agentIds === null ? null : [...wanted.agentIds]
    const answer = await call('run.apply', { presetId: view.presetId, digest: view.plan.digest, agentIds })
    setApplying(false)
    if (answer.ok) {
      setRunId(answer.value.runId)
      return
    }
    setError(answer.error)
    if (answer.error.code === 'plan-changed') again()
  }

  if (runId !== null) {
    const waiting = mine?.state === 'waiting' && run.pending !== 'undo'
    const open = mine === null || isOpenState(mine.state) || run.pending === 'undo'
    return (
      <Dialog
        open
        onClose={close}
        title={title}
        foot={
          waiting ? (
            <>
              <span className="grow">Silence undoes it.</span>
              <Button busy={run.pending === 'undo'} disabled={run.pending !== null} onClick={() => void undo(runId)}>
                Undo
              </Button>
              <Button kind="primary" busy={run.pending === 'keep'} disabled={run.pending !== null} onClick={() => void keep(runId)}>
                Keep
              </Button>
            </>
          ) : open ? (
            <>
              <span className="grow">You can close this; the bar under every page goes on showing it.</span>
              {mine?.canCancel === true && (
                <Button busy={run.pending === 'cancel'} onClick={() => void cancel(runId)}>
                  Cancel
                </Button>
              )}
              <Button kind="quiet" onClick={close}>
                Close
              </Button>
            </>
          ) : (
            <>
              <span className="grow" />
              <Button
                onClick={() => {
                  close()
                  go('history', 'run', runId)
                }}
              >
                Details and report
              </Button>
              <Button kind="primary" onClick={close}>
                Done
              </Button>
            </>
          )
        }
      >
        <RunBody progress={mine} detail={mine === null ? null : run.detail} pending={run.pending} error={run.error} />
      </Dialog>
    )
  }

  return (
    <Dialog
      open
      onClose={close}
      title={`${title}: what will happen`}
      lead={scope}
      foot={
        <>
          <span className="grow">{footText(view)}</span>
          <Button onClick={close}>Not now</Button>
          {view?.simulation === true ? (
            <Button
              kind="primary"
              onClick={() => {
                close()
                go('settings')
              }}
            >
              {helper === null || helper.system === 'not-installed' ? 'Install the helper' : 'Look at the helper'}
            </Button>
          ) : (
            <Button kind="primary" busy={applying} disabled={view === null || changesNothing(view.plan) || planning} onClick={() => void apply()}>
              Apply
            </Button>
          )}
        </>
      }
    >
      <FailureNotice isPlanned failure={error} onRetry={error?.code === 'authorization-obtainable' || (error !== null && view !== null && error.code !== 'plan-changed') ? () => void apply() : again} />
      {view?.simulation === true && (
        <Notice tone="info" title="Simulation">
          {helper === null || helper.system === 'not-installed' ? simulationText : `This is what would be done. ${helper.advice}`}
        </Notice>
      )}
      {view?.lastFoundAtMs !== undefined && (
        <Notice tone="info" title={`Found ${ago(view.lastFoundAtMs, now)}, not at this moment`}>
          Such things come and go. Nothing that this would change has changed since.
        </Notice>
      )}
      {view !== null && <NeedsSwap view={view} />}
      {view === null ? planning && <Skeleton lines={8} /> : <PlanBody view={view} />}
      {view !== null && changesNothing(view.plan) && !onlyPagingRefused(view) && (
        <Notice tone="info" title="Nothing to do">
          All that this asks for is already so, or is not possible on this machine now.
        </Notice>
      )}
    </Dialog>
  )
}
