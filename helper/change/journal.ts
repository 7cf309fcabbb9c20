import { randomBytes } from 'node:crypto'
import { closeSync, constants, fsyncSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import type { UndoClass } from '../contract/plan.ts'

/** The format is that of docs/journal.md; a C program reads it too. */
export const JOURNAL_VERSION = 1

export type Verb = 'write' | 'swapoff' | 'swapon' | 'zram-reset' | 'unlink' | 'thaw' | 'move' | 'rmmod' | 'backing'
const VERBS: ReadonlySet<string> = new Set<Verb>(['write', 'swapoff', 'swapon', 'zram-reset', 'unlink', 'thaw', 'move', 'rmmod', 'backing'])

export interface JournalHeader {
  bootId: string
  runId: string
  role: 'system' | 'session'
}

export interface JournalEntry {
  undoClass: UndoClass
  verb: Verb
  target: string
  /** What undoing brings back; null where there was nothing. */
  old: string | null
  /** What must be found for undoing to be allowed. */
  new: string
}

export interface JournalRecord extends JournalEntry {
  seq: number
}

/** Id of a run or of a small journal: its time first, so that names sort by age. */
export const newJournalId = (nowMs: number): string => `${new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/gu, '')}-${randomBytes(4).toString('hex')}`

/** open: not decided yet, undone at the next start. kept: lasts until undo or reboot. undone: nothing left to do. */
export type JournalState = 'open' | 'kept' | 'undone'

// Printable ASCII but the space and "%" stands for itself.
export const escapeField = (text: string | null): string => {
  if (text === null) return '-'
  if (text === '') return '%'
  const escaped = [...Buffer.from(text, 'utf8')]
    .map((byte) => (byte > 0x20 && byte < 0x7f && byte !== 0x25 ? String.fromCodePoint(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`))
    .join('')
  return escaped === '-' ? '%2D' : escaped
}

export const unescapeField = (field: string): string | null => {
  if (field === '-') return null
  if (field === '%') return ''
  return Buffer.from(
    field.replaceAll(/%([0-9A-F]{2})/gu, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8')
}

const withSum = (text: string): string => `${text} ${crc32(text).toString(16).padStart(8, '0')}`

const checked = (line: string): string[] | null => {
  const cut = line.lastIndexOf(' ')
  return cut > 0 && withSum(line.slice(0, cut)) === line ? line.slice(0, cut).split(' ') : null
}

const headerLine = (header: JournalHeader): string =>
  withSum(['agentmem-journal', String(JOURNAL_VERSION), header.bootId, header.runId, header.role].map(escapeField).join(' '))

const recordLine = (record: JournalRecord): string =>
  withSum([String(record.seq), record.undoClass, record.verb, escapeField(record.target), escapeField(record.old), escapeField(record.new)].join(' '))

const parseRecord = (line: string): JournalRecord | null => {
  const fields = checked(line)
  if (fields === null || fields.length !== 6) return null
  const [seq = '', undoClass = '', verb = '', target = '', old = '', now = ''] = fields
  if (!/^\d{1,9}$/u.test(seq) || !VERBS.has(verb) || (undoClass !== 'now' && undoClass !== 'when-it-fits')) return null
  return { seq: Number(seq), undoClass, verb: verb as Verb, target: unescapeField(target) ?? '', old: unescapeField(old), new: unescapeField(now) ?? '' }
}

export interface JournalContent {
  header: JournalHeader
  records: JournalRecord[]
  /** The last line was cut short: its change was not made, since changes follow their line. */
  torn: boolean
  /** Line numbers (from 1) that are damaged though others follow: reported, the rest is still used. */
  damaged: number[]
}

/** Text of a journal; fails only where the header cannot be trusted. */
export const parseJournal = (text: string): Result<JournalContent> => {
  const lines = text.split('\n')
  const complete = text.endsWith('\n')
  if (complete) lines.pop()
  const [first = '', ...rest] = lines
  const header = checked(first)
  const role = header?.[4]
  if (header === null || header[0] !== 'agentmem-journal' || header.length !== 5 || (role !== 'system' && role !== 'session')) {
    return fail('journal-unusable', 'The journal has no valid first line.', { expected: 'agentmem-journal 1 BOOT RUN ROLE CRC', got: first.slice(0, 120) })
  }
  if (header[1] !== String(JOURNAL_VERSION)) {
    return fail('journal-unusable', `The journal is of version ${header[1]}, this program reads version ${JOURNAL_VERSION}.`, { expected: String(JOURNAL_VERSION), got: header[1] ?? '' })
  }
  const content: JournalContent = { header: { bootId: header[2] ?? '', runId: header[3] ?? '', role }, records: [], torn: false, damaged: [] }
  for (const [index, line] of rest.entries()) {
    const record = parseRecord(line)
    const last = index === rest.length - 1
    if (record !== null && (complete || !last)) content.records.push(record)
    else if (last) content.torn = true
    else content.damaged.push(index + 2)
  }
  return ok(content)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const syncFolder = (folder: string): void => {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Where a journal in this state lies. */
export const journalPath = (folder: string, runId: string, state: JournalState): string => join(folder, `${runId}.${state}`)

export interface Journal {
  /** Returns once the line is on disk: only then may the change be made. */
  append(entry: JournalEntry): Result<JournalRecord>
  close(): void
}

const appender = (fd: number, firstSeq: number, path: string): Journal => {
  let seq = firstSeq
  let broken = false
  return {
    append: (entry) => {
      if (broken) return fail('journal-unusable', 'The journal could not be written before, so nothing more is changed.', { about: path })
      const record: JournalRecord = { seq, ...entry }
      try {
        const line = Buffer.from(`${recordLine(record)}\n`)
        if (writeSync(fd, line) !== line.length) throw Object.assign(new Error('only a part of the line was written'), { code: 'ENOSPC' })
        fsyncSync(fd)
      } catch (error) {
        // Half a line may stand there now: nothing may follow it.
        broken = true
        const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
        return fail(full ? 'disk-full' : 'journal-unusable', `The journal could not be written, so nothing was changed: ${messageOf(error)}`, { about: path })
      }
      seq += 1
      return ok(record)
    },
    close: () => closeSync(fd),
  }
}

/** A new journal in state open: file and folder are on disk when this returns. */
export const createJournal = (folder: string, header: JournalHeader): Result<Journal> => {
  const path = journalPath(folder, header.runId, 'open')
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_NOFOLLOW, 0o600)
    writeSync(fd, `${headerLine(header)}\n`)
    fsyncSync(fd)
    syncFolder(folder)
    return ok(appender(fd, 1, path))
  } catch (error) {
    const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
    return fail(full ? 'disk-full' : 'journal-unusable', `The journal could not be made, so nothing was changed: ${messageOf(error)}`, { about: path })
  }
}

export const readJournal = (folder: string, runId: string, state: JournalState): Result<JournalContent> => {
  const path = journalPath(folder, runId, state)
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      return parseJournal(readFileSync(fd, 'utf8'))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    return fail('journal-unusable', `The journal could not be read: ${messageOf(error)}`, { about: path })
  }
}

/** Keep and undone are one rename each, so a crash leaves one state or the other. */
export const moveJournal = (folder: string, runId: string, from: JournalState, to: JournalState): Result<null> => {
  try {
    if (from !== to) {
      renameSync(journalPath(folder, runId, from), journalPath(folder, runId, to))
      syncFolder(folder)
    }
    return ok(null)
  } catch (error) {
    return fail('journal-unusable', `The journal could not be closed: ${messageOf(error)}`, { about: journalPath(folder, runId, from) })
  }
}

/** Run ids with a journal in `state`, oldest first: ids begin with their time. */
export const listJournals = (folder: string, state: JournalState): string[] =>
  readdirSync(folder)
    .filter((name) => /^\d{8}T\d{6}Z-[0-9a-f]{8}\./u.test(name) && name.endsWith(`.${state}`))
    .map((name) => name.slice(0, -(state.length + 1)))
    .toSorted()

/** The state in which a run's journal stands; null where it has none. */
export const journalState = (folder: string, runId: string): JournalState | null =>
  (['open', 'kept', 'undone'] as const).find((state) => listJournals(folder, state).includes(runId)) ?? null

/** Journals with nothing left to do, all but the newest `keep`. */
export const pruneJournals = (folder: string, keep: number): void => {
  const done = listJournals(folder, 'undone')
  for (const runId of done.slice(0, Math.max(0, done.length - keep))) rmSync(journalPath(folder, runId, 'undone'), { force: true })
}
