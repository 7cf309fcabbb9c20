import { BookOpenText, Download, NotebookPen, Upload } from 'lucide-react'
import { useCallback, useEffect, useRef, useState } from 'react'
import type { JournalEntry } from '../../../electron/contract/diagnosis.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import { call, on, saveFile } from '../../api.ts'
import { longDay, plural } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Choice } from '../../ui/field.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { Entry, NoteForm } from './entry.tsx'
import { byDay } from './words.ts'
import './journal.css'

const PAGE = 50
/** A search begins when typing pauses. */
const PAUSE_MS = 180
type Order = 'newest' | 'best'

interface Found {
  key: string
  entries: readonly JournalEntry[]
  more: boolean
}

/** Entries of a search, page by page, read again when the journal changes. */
const useSearch = (text: string, order: Order) => {
  const key = JSON.stringify([text, order])
  const [found, setFound] = useState<Found | null>(null)
  const [error, setError] = useState<Failure | null>(null)
  const [loadingMore, setLoadingMore] = useState(false)
  const turn = useRef(0)
  const shown = useRef(PAGE)

  const read = useCallback(
    async (limit: number): Promise<void> => {
      turn.current += 1
      const mine = turn.current
      const answer = await call('journal.search', { text, limit, beforeId: null, order })
      if (mine !== turn.current) return
      if (answer.ok) setFound({ key: JSON.stringify([text, order]), ...answer.value })
      setError(answer.ok ? null : answer.error)
    },
    [text, order],
  )

  useEffect(() => {
    shown.current = PAGE
    const timer = setTimeout(() => void read(PAGE), text === '' ? 0 : PAUSE_MS)
    return () => clearTimeout(timer)
  }, [read, text])
  useEffect(
    () =>
      on('changed', ({ what }) => {
        if (what === 'journal') void read(Math.min(1000, shown.current))
      }),
    [read],
  )

  const more = async (): Promise<void> => {
    const last = found?.entries.at(-1)
    if (found === null || last === undefined) return
    setLoadingMore(true)
    const answer = await call('journal.search', { text, limit: PAGE, beforeId: last.id, order })
    setLoadingMore(false)
    if (!answer.ok) {
      setError(answer.error)
      return
    }
    setFound((old) => {
      if (old === null || old.key !== key) return old
      const entries = [...old.entries, ...answer.value.entries]
      shown.current = entries.length
      return { key, entries, more: answer.value.more }
    })
  }
  return { found, error, loadingMore, more: () => void more(), retry: () => void read(PAGE) }
}

const Transfer = ({ onError, onTaken }: { onError: (failure: Failure | null) => void; onTaken: (words: string) => void }) => {
  const [busy, setBusy] = useState<'export' | 'import' | null>(null)
  const input = useRef<HTMLInputElement>(null)
  const save = async (): Promise<void> => {
    setBusy('export')
    const answer = await call('journal.export', {})
    setBusy(null)
    onError(answer.ok ? null : answer.error)
    if (answer.ok) saveFile(answer.value.fileName, 'application/json', answer.value.text)
  }
  const take = async (file: File): Promise<void> => {
    setBusy('import')
    const answer = await call('journal.import', { text: await file.text() })
    setBusy(null)
    onError(answer.ok ? null : answer.error)
    if (answer.ok) onTaken(`${plural(answer.value.added, 'entry', 'entries')} added${answer.value.known > 0 ? `, ${answer.value.known} known already` : ''}`)
  }
  return (
    <>
      <Button busy={busy === 'export'} icon={<Download aria-hidden="true" />} onClick={() => void save()}>
        Export
      </Button>
      <Button busy={busy === 'import'} icon={<Upload aria-hidden="true" />} onClick={() => input.current?.click()}>
        Import…
      </Button>
      <input
        ref={input}
        type="file"
        accept="application/json,.json"
        hidden
        aria-label="Journal to import"
        onChange={(event) => {
          const file = event.target.files?.[0]
          event.target.value = ''
          if (file !== undefined) void take(file)
        }}
      />
    </>
  )
}

const Entries = ({ found, order, text }: { found: Found; order: Order; text: string }) =>
  order === 'best' && text !== '' ? (
    <ul className="entries">
      {found.entries.map((entry) => (
        <Entry key={entry.id} entry={entry} withDay />
      ))}
    </ul>
  ) : (
    byDay(found.entries, longDay).map(({ day, entries }) => (
      <section key={`${day} ${entries[0]?.id}`} className="journal-day">
        <h2 className="journal-day-title">{day}</h2>
        <ul className="entries">
          {entries.map((entry) => (
            <Entry key={entry.id} entry={entry} withDay={false} />
          ))}
        </ul>
      </section>
    ))
  )

/** How often advice was right here: what the journal is kept for. */
const Lead = () => {
  const { data, error } = useCall('journal.totals', {}, ['journal'])
  if (data === null) return <span className="big-value muted">{error === null ? '…' : 'Not available'}</span>
  if (data.entries === 0) return <span className="big-value">Empty so far</span>
  if (data.tried === 0)
    return (
      <>
        <span className="big-value">{data.entries}</span>
        <span>{data.entries === 1 ? 'entry' : 'entries'}; nothing was tried yet</span>
      </>
    )
  return (
    <>
      <span className="big-value">{data.helped}</span>
      <span>
        of {plural(data.tried, 'try', 'tries')} helped and {data.helped === 1 ? 'was' : 'were'} kept
      </span>
    </>
  )
}

/** What was found, tried and came of it, with the user's own words; searched as one types. */
const Journal = () => {
  const [text, setText] = useState('')
  const [order, setOrder] = useState<Order>('newest')
  const [writing, setWriting] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)
  const [taken, setTaken] = useState<string | null>(null)
  const wanted = text.trim()
  const { found, error, loadingMore, more, retry } = useSearch(wanted, order)
  const isEmpty = found !== null && found.entries.length === 0
  return (
    <PageFrame
      title="Journal"
      lead={<Lead />}
      actions={
        <>
          <Button kind="primary" icon={<NotebookPen aria-hidden="true" />} onClick={() => setWriting(true)}>
            New note
          </Button>
          <Transfer
            onError={(next) => {
              setFailure(next)
              setTaken(null)
            }}
            onTaken={setTaken}
          />
        </>
      }
    >
      <FailureNotice failure={failure} />
      {taken !== null && (
        <Notice tone="gain" title={taken} actions={<Button size="s" kind="quiet" onClick={() => setTaken(null)}>Close</Button>}>
          What helped there is taken into account for advice here from now on.
        </Notice>
      )}
      {writing && (
        <Panel title="New note">
          <NoteForm id={null} note="" onDone={() => setWriting(false)} />
        </Panel>
      )}
      <div className="journal-search">
        <input className="input" data-filter="" type="search" placeholder="Search: swap, leak, a note of yours" aria-label="Search the journal" maxLength={400} value={text} onChange={(event) => setText(event.target.value)} />
        {wanted !== '' && (
          <Choice
            label="Order"
            value={order}
            onChange={setOrder}
            options={[
              { value: 'newest', label: 'Newest first' },
              { value: 'best', label: 'Best match first' },
            ]}
          />
        )}
      </div>
      <FailureNotice failure={error} onRetry={retry} />
      {found === null && error === null && <Skeleton height="18rem" />}
      {isEmpty && wanted === '' && (
        <Panel>
          <Empty icon={<BookOpenText />} title="Nothing has happened yet" actions={<Button onClick={() => go('diagnosis')}>Look at what is found now</Button>}>
            Everything that is found, tried, kept or undone is written down here with what it won, and your notes on it. It is asked before advice is given: what helped on this machine comes first.
          </Empty>
        </Panel>
      )}
      {isEmpty && wanted !== '' && <p className="muted">No entry has all of these words. Beginnings of words are enough; “in quotes” a row of words is looked for.</p>}
      {found !== null && found.entries.length > 0 && (
        <Panel className="journal">
          <Entries found={found} order={order} text={wanted} />
          {found.more && (
            <Button busy={loadingMore} onClick={more}>
              Show older entries
            </Button>
          )}
        </Panel>
      )}
    </PageFrame>
  )
}

export default Journal
