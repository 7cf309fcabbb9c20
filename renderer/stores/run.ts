import { create } from 'zustand'
import type { RunDetail } from '../../electron/contract/views.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import type { Progress, RunState } from '../../helper/contract/runs.ts'
import { call, on } from '../api.ts'
import { useLive } from './live.ts'

/** What the window knows about the run that is open, or was a moment ago. */
interface RunStore {
  progress: Progress | null
  /** Read once a run waits or has ended. */
  detail: RunDetail | null
  /** The button that was pressed and has no answer yet. */
  pending: 'keep' | 'undo' | 'cancel' | null
  error: Failure | null
  /** Runs whose result was seen and put away. */
  putAway: ReadonlySet<string>
}

export const useRun = create<RunStore>()(() => ({ progress: null, detail: null, pending: null, error: null, putAway: new Set<string>() }))

export const isOpenState = (state: RunState): boolean =>
  state === 'started' || state === 'applying' || state === 'settling' || state === 'waiting' || state === 'undoing'

/** Takes what was read of the run that is shown; how it ended with it. */
const takeDetail = (detail: RunDetail): void => {
  const { progress, pending } = useRun.getState()
  const { id, state } = detail.record
  useRun.setState({ detail })
  // Another program may have decided: of that only the record tells, and no progress comes.
  if (progress?.runId !== id || pending !== null || isOpenState(state) || progress.state === state) return
  useRun.setState({ progress: { ...progress, state, fraction: 1, canCancel: false, confirmUntilMs: null } })
}

const fetchDetail = async (runId: string): Promise<void> => {
  const answer = await call('runs.get', { runId })
  if (answer.ok) takeDetail(answer.value)
}

const takeProgress = (progress: Progress): void => {
  const old = useRun.getState().progress
  const changed = old?.runId !== progress.runId || old.state !== progress.state
  if (old?.runId !== progress.runId) useRun.setState({ detail: null, error: null, pending: null })
  useRun.setState({ progress })
  const readable = progress.state === 'waiting' || !isOpenState(progress.state)
  if (changed && readable) void fetchDetail(progress.runId)
}

/** The live state carries the open run as well, so a window opened late knows of it. */
const takeLive = (progress: Progress | null): void => {
  const mine = useRun.getState().progress
  if (progress !== null) {
    if (mine === null || mine.runId !== progress.runId || isOpenState(mine.state)) takeProgress(progress)
    return
  }
  // It ended without our hearing: read how.
  if (mine !== null && isOpenState(mine.state) && useRun.getState().pending === null) {
    void call('runs.get', { runId: mine.runId }).then((answer) => {
      if (answer.ok && !isOpenState(answer.value.record.state)) takeDetail(answer.value)
    })
  }
}

export const startRun = (): void => {
  on('progress', takeProgress)
  on('changed', ({ what, runId }) => {
    if (what === 'runs' && runId !== null && runId === useRun.getState().progress?.runId) void fetchDetail(runId)
  })
  useLive.subscribe((state, before) => {
    if (state.live !== before.live && state.live !== null) takeLive(state.live.progress)
  })
}

export const keep = async (runId: string): Promise<void> => {
  useRun.setState({ pending: 'keep', error: null })
  const answer = await call('run.keep', { runId })
  useRun.setState({ pending: null, error: answer.ok ? null : answer.error })
  if (!answer.ok) return
  const { progress } = useRun.getState()
  if (progress?.runId === runId) useRun.setState({ progress: { ...progress, state: 'kept', confirmUntilMs: null, canCancel: false } })
  await fetchDetail(runId)
}

export const undo = async (runId: string): Promise<void> => {
  useRun.setState({ pending: 'undo', error: null })
  const answer = await call('run.undo', { runId })
  if (!answer.ok) {
    useRun.setState({ pending: null, error: answer.error })
    return
  }
  const { state } = answer.value.record
  const { progress, putAway } = useRun.getState()
  const shown = progress?.runId === runId ? progress : { runId, state, fraction: 1, text: '', confirmUntilMs: null, canCancel: false }
  useRun.setState({
    pending: null,
    detail: answer.value,
    progress: { ...shown, state, confirmUntilMs: null, canCancel: false },
    putAway: new Set([...putAway].filter((id) => id !== runId)),
  })
}

export const cancel = async (runId: string): Promise<void> => {
  useRun.setState({ pending: 'cancel', error: null })
  const answer = await call('run.cancel', { runId })
  useRun.setState({ pending: null, error: answer.ok ? null : answer.error })
}

/** The result was read: take the banner away. The run stays in the history. */
export const putAway = (runId: string): void => {
  useRun.setState((state) => ({ putAway: new Set([...state.putAway, runId]), error: null }))
}
