import { useEffect, useRef, useState } from 'react'
import type { Request } from '../../../electron/contract/channels.ts'
import type { Finding, Solution } from '../../../electron/contract/diagnosis.ts'
import { call } from '../../api.ts'
import { useSend } from '../../stores/data.ts'
import { look } from '../../stores/diagnosis.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Choice } from '../../ui/field.tsx'

type Outcome = Request<'journal.did'>['outcome']

const OUTCOMES: readonly { value: Outcome; label: string }[] = [
  { value: 'kept', label: 'It helped' },
  { value: 'no-gain', label: 'It won nothing' },
  { value: 'undone', label: 'I took it back' },
]

/** What came of it, in the user's words; the journal is asked before this is advised again. */
const DidForm = ({ finding, solution, onDone }: { finding: Finding; solution: Solution; onDone: () => void }) => {
  const [outcome, setOutcome] = useState<Outcome>('kept')
  const [note, setNote] = useState('')
  const { busy, error, send } = useSend()
  const field = useRef<HTMLTextAreaElement>(null)
  // It was asked for by a press just now: writing goes on where it was pressed.
  useEffect(() => field.current?.focus(), [])
  const save = async (): Promise<void> => {
    const answer = await send(call('journal.did', { rule: finding.rule, subject: finding.subject, solution: solution.id, outcome, note }))
    if (!answer.ok) return
    onDone()
    void look()
  }
  return (
    <div className="did-form">
      <Choice label={`What came of it: ${solution.title}`} value={outcome} onChange={setOutcome} options={OUTCOMES} />
      <textarea
        className="input did-note"
        aria-label={`Note on: ${solution.title}`}
        placeholder="What you saw, if you want to remember it"
        maxLength={10_000}
        rows={2}
        value={note}
        ref={field}
        onChange={(event) => setNote(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void save()
          else if (event.key === 'Escape') onDone()
        }}
      />
      <FailureNotice failure={error} onRetry={() => void save()} />
      <div className="row">
        <Button size="s" kind="primary" busy={busy} onClick={() => void save()}>
          Write it down
        </Button>
        <Button size="s" kind="quiet" onClick={onDone}>
          Not now
        </Button>
      </div>
    </div>
  )
}

/** Of what only the user can know: that it was done, and whether it helped. */
export const Did = ({ finding, solution }: { finding: Finding; solution: Solution }) => {
  const [open, setOpen] = useState(false)
  if (open) return <DidForm finding={finding} solution={solution} onDone={() => setOpen(false)} />
  return (
    <Button size="s" kind="quiet" aria-label={`I did this: ${solution.title}, for: ${finding.title}`} onClick={() => setOpen(true)}>
      I did this
    </Button>
  )
}
