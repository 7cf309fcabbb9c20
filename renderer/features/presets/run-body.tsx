import type { RunDetail } from '../../../electron/contract/views.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import type { Progress } from '../../../helper/contract/runs.ts'
import { useNow } from '../../stores/data.ts'
import { isOpenState } from '../../stores/run.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { ProgressBar } from '../../ui/progress.tsx'
import { endWords } from '../run/end-words.ts'
import { ResultCard } from '../run/result-card.tsx'
import { UndoLines } from '../run/undo-lines.tsx'

const Countdown = ({ untilMs }: { untilMs: number }) => {
  const now = useNow(500)
  const left = Math.max(0, Math.ceil((untilMs - now) / 1000))
  return (
    <p className="countdown">
      <span className="big-value">{left}</span> <span className="muted">seconds to keep it. Then everything goes back to how it was.</span>
    </p>
  )
}

/** The life of a run inside the dialog: progress, result, keep or undo, what came back. */
export const RunBody = ({ progress, detail, pending, error }: { progress: Progress | null; detail: RunDetail | null; pending: string | null; error: Failure | null }) => {
  if (progress === null || (isOpenState(progress.state) && progress.state !== 'waiting') || pending === 'undo')
    return (
      <>
        <div className="running">
          <p role="status">{progress === null ? 'Starting' : pending === 'undo' && progress.state === 'waiting' ? 'Undoing' : progress.text}</p>
          <ProgressBar fraction={progress === null || pending === 'undo' ? (progress?.state === 'undoing' ? progress.fraction : null) : progress.fraction} label="Progress" />
        </div>
        <FailureNotice failure={error} />
      </>
    )
  const end = endWords(progress.state, detail)
  return (
    <>
      <FailureNotice failure={error} />
      {progress.state !== 'waiting' && (
        <Notice tone={end.tone} title={end.title}>
          {end.text}
        </Notice>
      )}
      {(progress.state === 'waiting' || progress.state === 'kept') && <ResultCard detail={detail} headline={progress.state === 'waiting'} />}
      {progress.state === 'waiting' && progress.confirmUntilMs !== null && <Countdown untilMs={progress.confirmUntilMs} />}
      {detail !== null && detail.record.undo.length > 0 && <UndoLines lines={detail.record.undo} />}
    </>
  )
}
