import { useEffect, useRef, useState } from 'react'
import type { JournalEntry } from '../../../electron/contract/diagnosis.ts'
import { call } from '../../api.ts'
import { exactMoment, timeOfDay, unbroken } from '../../format/format.ts'
import { useSend } from '../../stores/data.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { gainWords, kindOf, runOf } from './words.ts'

interface NoteProps {
  /** Null writes a note of its own. */
  id: number | null
  note: string
  onDone: () => void
}

/** A note being written; what could not be saved stays in the field. */
export const NoteForm = ({ id, note, onDone }: NoteProps) => {
  const [text, setText] = useState(note)
  const { busy, error, send } = useSend()
  const field = useRef<HTMLTextAreaElement>(null)
  // It was asked for by a press just now: writing goes on where it was pressed.
  useEffect(() => field.current?.focus(), [])
  const save = async (): Promise<void> => {
    const answer = await send(call('journal.note', { id, note: text }))
    if (answer.ok) onDone()
  }
  return (
    <div className="note-form">
      <textarea
        className="input note-input"
        aria-label={id === null ? 'New note' : 'Note on this entry'}
        placeholder="What you saw, what you want to remember"
        maxLength={10_000}
        rows={Math.min(10, Math.max(3, text.split('\n').length))}
        value={text}
        ref={field}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void save()
          else if (event.key === 'Escape') onDone()
        }}
      />
      <FailureNotice failure={error} onRetry={() => void save()} />
      <div className="row">
        <Button size="s" kind="primary" busy={busy} disabled={id === null && text.trim() === ''} onClick={() => void save()}>
          Save
        </Button>
        <Button size="s" kind="quiet" onClick={onDone}>
          Not now
        </Button>
        <span className="muted small">Ctrl and Enter saves, too</span>
      </div>
    </div>
  )
}

/** One line of the journal, its words, and the user's own on it. */
export const Entry = ({ entry, withDay }: { entry: JournalEntry; withDay: boolean }) => {
  const [editing, setEditing] = useState(false)
  const { icon: Icon, word } = kindOf(entry)
  const gain = gainWords(entry)
  const own = entry.kind === 'note'
  const runId = runOf(entry)
  return (
    <li className={`entry entry-is-${entry.outcome ?? entry.kind}`}>
      <div className="entry-side">
        <Icon aria-hidden="true" className="entry-icon" />
        <time dateTime={new Date(entry.atMs).toISOString()} title={`${exactMoment(entry.atMs)}, Linux ${entry.kernelRelease}`} className="num muted">
          {withDay ? exactMoment(entry.atMs).replace(/:\d\d$/u, '') : timeOfDay(entry.atMs)}
        </time>
      </div>
      <div className="entry-main">
        {!own && (
          <p className="entry-title">
            <span className="sr-only">{word}: </span>
            {entry.title}
            {gain !== '' && <span className={entry.outcome === 'kept' ? 'entry-gain gain' : 'entry-gain muted'}>{gain}</span>}
          </p>
        )}
        {entry.text !== '' && <p className="entry-text">{unbroken(entry.text)}</p>}
        {editing ? (
          <NoteForm id={entry.id} note={entry.note} onDone={() => setEditing(false)} />
        ) : (
          entry.note !== '' && <p className={own ? 'entry-own' : 'entry-note'}>{entry.note}</p>
        )}
        <p className="entry-foot">
          {entry.rule !== null && <code>{entry.rule}{entry.solution === null ? '' : ` / ${entry.solution}`}</code>}
          {runId !== null && (
            <button type="button" className="link" aria-label={`Show the run: ${entry.title}`} onClick={() => go('history', 'run', runId)}>
              Show the run
            </button>
          )}
          {!editing && (
            <button type="button" className="link" aria-label={`${entry.note === '' ? 'Add a note' : 'Edit the note'}: ${entry.title}`} onClick={() => setEditing(true)}>
              {entry.note === '' ? 'Add a note' : 'Edit the note'}
            </button>
          )}
        </p>
      </div>
    </li>
  )
}
