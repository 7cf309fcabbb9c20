import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Request, Response } from '../../contract/channels.ts'
import { journalFileSchema, type JournalFileEntry } from '../../contract/journal-file.ts'
import { messageOf } from '../files.ts'
import type { History } from '../history/types.ts'
import { byHandEntry, type ByHandDeps } from './by-hand.ts'

export interface JournalDeps {
  readonly history: Pick<History, 'reader' | 'writer'>
  readonly found: ByHandDeps['found']
  readonly grown: ByHandDeps['grown']
  readonly kernelRelease: () => string
  readonly onChanged: () => void
  readonly now: () => number
}

type Answer<K extends 'journal.search' | 'journal.totals' | 'journal.note' | 'journal.did' | 'journal.export' | 'journal.import'> = Result<Response<K>>

export interface Journal {
  search(request: Request<'journal.search'>): Answer<'journal.search'>
  totals(): Answer<'journal.totals'>
  /** Words on an entry, or (id null) an entry of the user's own. */
  note(request: Request<'journal.note'>): Answer<'journal.note'>
  /** What the user did by hand, of what was advised. */
  did(request: Request<'journal.did'>): Promise<Answer<'journal.did'>>
  export(): Answer<'journal.export'>
  import(request: Request<'journal.import'>): Answer<'journal.import'>
}

const TITLE_LENGTH = 120
/** What an import takes at most. */
const MOST_ENTRIES = 100_000

/** The first line that says something. */
const titleOf = (note: string): string => {
  const line = note.split('\n').find((text) => text.trim() !== '')?.trim() ?? ''
  return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH - 1)}…`
}

const parseFile = (text: string): Result<readonly JournalFileEntry[]> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail('bad-request', 'This file is no journal: it is not JSON.', { got: messageOf(error), advice: 'Choose a file that "Export" of the Journal page wrote.' })
  }
  const version = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined
  if (typeof version === 'number' && version > 1) {
    return fail('too-old', 'This journal was written by a newer version of Agent Memory Center.', { expected: 'version 1', got: `version ${version}`, advice: 'Import it there, or update this one.' })
  }
  const parsed = journalFileSchema.safeParse(json)
  if (parsed.success) return ok(parsed.data.entries)
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the file' : `"${issue.path.join('.')}"`
  return fail('bad-request', `This file is no journal: ${where} is not valid: ${issue?.message ?? 'unknown'}.`, { advice: 'Choose a file that "Export" of the Journal page wrote. Nothing was taken from it.' })
}

/** What was found, tried and came of it, with the user's words on it. */
export const createJournal = ({ history, found, grown, kernelRelease, onChanged, now }: JournalDeps): Journal => ({
  search: (request) => ok(history.reader.journal(request)),
  totals: () => ok(history.reader.journalTotals()),
  note({ id, note }) {
    const text = note.trim()
    if (id === null && text === '') return fail('bad-request', 'There is nothing in this note yet.', { advice: 'Write something, then save it.' })
    const old = id === null ? null : history.reader.journalEntry(id)
    if (id !== null && old === null) return fail('bad-request', 'This entry is no longer in the journal.', { about: `entry ${id}`, advice: 'Search again.' })
    if (old?.kind === 'note' && text === '') return fail('bad-request', 'A note of its own cannot be empty.', { advice: 'Write something, or leave it as it is.' })
    let written: number
    if (id === null) {
      const added = history.writer.addToJournal({
        atMs: now(), kind: 'note', rule: null, subject: '', solution: null, presetId: null, runId: null, title: titleOf(text), text: '', note: text, outcome: null, gainBytes: null, kernelRelease: kernelRelease(),
      })
      if (!added.ok) return added
      written = added.value ?? 0
    } else {
      const set = history.writer.setNote(id, text, old?.kind === 'note' ? titleOf(text) : null)
      if (!set.ok) return set
      written = id
    }
    const entry = history.reader.journalEntry(written)
    if (entry === null) return fail('internal', 'The note was stored and cannot be read back.')
    onChanged()
    return ok(entry)
  },
  async did(said) {
    const made = await byHandEntry({ reader: history.reader, found, grown }, said)
    if (!made.ok) return made
    const added = history.writer.addToJournal({ atMs: now(), kernelRelease: kernelRelease(), ...made.value })
    if (!added.ok) return added
    const entry = history.reader.journalEntry(added.value ?? 0)
    if (entry === null) return fail('internal', 'It was stored and cannot be read back.')
    onChanged()
    return ok(entry)
  },
  export() {
    const exportedAtMs = now()
    const file = journalFileSchema.parse({ version: 1, what: 'agentmem-journal', exportedAtMs, entries: history.reader.journalAll().slice(-MOST_ENTRIES) })
    const stamp = new Date(exportedAtMs).toISOString().slice(0, 10).replaceAll('-', '')
    return ok({ fileName: `agentmem-journal-${stamp}.json`, text: `${JSON.stringify(file, null, 1)}\n` })
  },
  import({ text }) {
    const entries = parseFile(text)
    if (!entries.ok) return entries
    const taken = history.writer.takeJournal(entries.value)
    if (taken.ok && taken.value.added > 0) onChanged()
    return taken
  },
})
