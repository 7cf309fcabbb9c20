import { CircleCheck, Info, LoaderCircle, TriangleAlert } from 'lucide-react'
import type { RunDetail } from '../../../electron/contract/views.ts'
import type { Progress } from '../../../helper/contract/runs.ts'
import { failureWords } from '../../format/failure.ts'
import { useNow } from '../../stores/data.ts'
import { useFlow } from '../../stores/flow.ts'
import { go, useRoute } from '../../stores/route.ts'
import { cancel, isOpenState, keep, putAway, undo, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { ProgressBar } from '../../ui/progress.tsx'
import { Strip } from '../../ui/strip.tsx'
import { endWords, isOnce } from './end-words.ts'
import { resultWords } from './result-words.ts'

const Seconds = ({ untilMs }: { untilMs: number }) => {
  const now = useNow(500)
  const left = Math.max(0, Math.ceil((untilMs - now) / 1000))
  return (
    <>
      Undone in <span className="num">{left}</span>&nbsp;s unless you keep it.
    </>
  )
}

const Working = ({ progress, pending }: { progress: Progress; pending: string | null }) => (
  <Strip
    tone="busy"
    label="Run"
    icon={<LoaderCircle className="spin" aria-hidden="true" />}
    title={progress.state === 'undoing' || pending === 'undo' ? 'Undoing' : pending === 'cancel' ? 'Cancelling' : progress.state === 'settling' ? 'Applied, letting it settle' : 'Applying'}
    sub={progress.text}
    actions={
      progress.canCancel && (
        <Button size="s" busy={pending === 'cancel'} onClick={() => void cancel(progress.runId)}>
          Cancel
        </Button>
      )
    }
    bar={<ProgressBar fraction={progress.fraction} label="Progress of the run" />}
  />
)

const Waiting = ({ progress, detail, pending, error }: { progress: Progress; detail: RunDetail | null; pending: string | null; error: string | null }) => {
  const words = resultWords(detail)
  return (
    <Strip
      tone={words.tone}
      label="Run"
      icon={words.tone === 'gain' ? <CircleCheck aria-hidden="true" /> : words.tone === 'problem' ? <TriangleAlert aria-hidden="true" /> : <Info aria-hidden="true" />}
      title={detail === null ? 'Measured; reading the result' : words.title}
      sub={error ?? (progress.confirmUntilMs === null ? 'Keep it or undo it.' : <Seconds untilMs={progress.confirmUntilMs} />)}
      actions={
        <>
          <Button size="s" kind="quiet" onClick={() => go('history', 'run', progress.runId)}>
            Details
          </Button>
          <Button size="s" busy={pending === 'undo'} disabled={pending !== null} onClick={() => void undo(progress.runId)}>
            Undo
          </Button>
          <Button size="s" kind="primary" busy={pending === 'keep'} disabled={pending !== null} onClick={() => void keep(progress.runId)}>
            Keep
          </Button>
        </>
      }
    />
  )
}

/** The run under way or just ended, on every page until it is put away. */
export const RunStrip = () => {
  const { progress, detail, pending, error, putAway: away } = useRun()
  const dialogOpen = useFlow((state) => state.presetId !== null || state.trying !== null)
  const { page, rest } = useRoute()
  if (progress === null) return null
  const words = error === null ? null : failureWords(error)
  const said = words === null ? null : `${words.title}. ${words.text}`
  if (progress.state === 'waiting' && pending !== 'undo') return <Waiting progress={progress} detail={detail} pending={pending} error={said} />
  if (isOpenState(progress.state) || pending === 'undo') return <Working progress={progress} pending={pending} />
  // Its own page and the dialog already show how it ended.
  if (away.has(progress.runId) || dialogOpen || (page === 'history' && rest[1] === progress.runId)) return null
  const end = endWords(progress.state, detail)
  return (
    <Strip
      tone={end.tone}
      label="Run"
      icon={end.tone === 'problem' ? <TriangleAlert aria-hidden="true" /> : <CircleCheck aria-hidden="true" />}
      title={end.title}
      sub={said ?? end.text}
      actions={
        <>
          {progress.state === 'kept' && !isOnce(detail) && (
            <Button size="s" onClick={() => void undo(progress.runId)}>
              Undo
            </Button>
          )}
          <Button size="s" kind="quiet" onClick={() => go('history', 'run', progress.runId)}>
            Details
          </Button>
          <Button size="s" kind="quiet" onClick={() => putAway(progress.runId)}>
            Close
          </Button>
        </>
      }
    />
  )
}
