import type Database from 'better-sqlite3'
import type { JournalEntry } from '../../contract/diagnosis.ts'
import type { JournalFileEntry } from '../../contract/journal-file.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import { matchOf } from './journal-words.ts'
import { queries } from './queries.ts'

/** What is written of one entry; the id comes from the file, the uuid where none is given. */
export type NewEntry = Omit<JournalFileEntry, 'uuid' | 'note'> & { readonly note?: string }

export interface JournalSearch {
  readonly text: string
  readonly limit: number
  /** Those that follow this entry in the same order; null begins. */
  readonly beforeId: number | null
  readonly order?: 'newest' | 'best' | undefined
}
export interface JournalPage {
  readonly entries: JournalEntry[]
  readonly more: boolean
}
/** Of the whole journal; `tried`: runs, and what else was done, of which it is known what came of them, `helped`: those that were kept for a gain in the end. */
export interface JournalTotals {
  readonly entries: number
  readonly tried: number
  readonly helped: number
}
/** Where a run came from, by its first entry. */
export type RunOrigin = Pick<JournalFileEntry, 'rule' | 'subject' | 'solution' | 'presetId'>

type Row = Omit<JournalEntry, 'gainBytes'> & { gainBytes: number | null }
type StoredRow = Omit<JournalFileEntry, 'uuid'> & { id: number; uuid: string }

const entryOf = ({ gainBytes, ...row }: Row): JournalEntry => ({ ...row, gainBytes: gainBytes === null ? missing('not-measured') : known(gainBytes) })

/** No longer than the file of an export may hold. */
const LENGTHS = { subject: 1000, title: 1000, text: 50_000 }

/** What one journal may hold of findings; outcomes and notes stay. */
const MOST_FINDINGS = 20_000

/** The journal; every writing function runs inside a transaction of its caller. */
export const createJournalStore = (db: Pick<Database.Database, 'prepare'>) => {
  const select = db.prepare<[number], Row>(queries.journal)
  const selectBefore = db.prepare<[number, number, number], Row>(queries.journalBefore)
  const selectOne = db.prepare<[number], Row>(queries.journalEntry)
  const selectMatching = db.prepare<[string, number, number, number], Row>(queries.journalMatching)
  const selectBest = db.prepare<[string], { id: number }>(queries.journalBest)
  const selectAll = db.prepare<[], Record<string, unknown>>(queries.journalAll)
  const selectOutcomes = db.prepare<[string, string, number], Row>(queries.journalOutcomes)
  const selectOutcomesOfPreset = db.prepare<[string, number], Row>(queries.journalOutcomesOfPreset)
  const selectFound = db.prepare<[string, string], { atMs: number }>(queries.journalFound)
  const selectOfRun = db.prepare<[string], Row & { subject: string; presetId: string | null }>(queries.journalOfRun)
  const selectLimit = db.prepare<[number], { atMs: number }>(queries.findingLimit)
  const selectTotals = db.prepare<[], JournalTotals>(queries.journalTotals)
  const insert = db.prepare(`INSERT INTO journal (uuid, at_ms, kind, rule, subject, solution, preset_id, run_id, title, text, note, outcome, gain_bytes, kernel_release)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
  const setNote = db.prepare('UPDATE journal SET note = ? WHERE id = ?')
  const setTitle = db.prepare('UPDATE journal SET title = ? WHERE id = ?')
  const takeNote = db.prepare("UPDATE journal SET note = ? WHERE uuid = ? AND note = ''")
  const drop = db.prepare(queries.dropFindings)

  /** Answers its id, or null where it is there already. */
  const write = (uuid: string, entry: NewEntry): number | null => {
    const { changes, lastInsertRowid } = insert.run(
      uuid, Math.round(entry.atMs), entry.kind, entry.rule, entry.subject.slice(0, LENGTHS.subject), entry.solution, entry.presetId, entry.runId,
      entry.title.slice(0, LENGTHS.title), entry.text.slice(0, LENGTHS.text), entry.note ?? '', entry.outcome, entry.gainBytes === null ? null : Math.round(entry.gainBytes), entry.kernelRelease,
    )
    return changes === 0 ? null : Number(lastInsertRowid)
  }

  const entry = (id: number): JournalEntry | null => {
    const row = selectOne.get(id)
    return row === undefined ? null : entryOf(row)
  }

  const page = (rows: readonly Row[], limit: number): JournalPage => ({ entries: rows.slice(0, limit).map(entryOf), more: rows.length > limit })

  const best = (match: string, beforeId: number | null, limit: number): JournalPage => {
    const ids = selectBest.all(match).map(({ id }) => id)
    const from = beforeId === null ? 0 : ids.indexOf(beforeId) + 1
    return page(ids.slice(from, from + limit + 1).flatMap((id) => selectOne.get(id) ?? []), limit)
  }

  /** Text without a word to look for (only signs) finds nothing; no text at all is everything. */
  const search = ({ text, limit, beforeId, order }: JournalSearch): JournalPage => {
    const before = beforeId === null ? undefined : selectOne.get(beforeId)
    if (text.trim() === '') return page(before === undefined ? select.all(limit + 1) : selectBefore.all(before.atMs, before.id, limit + 1), limit)
    const match = matchOf(text)
    if (match === null) return { entries: [], more: false }
    if (order === 'best') return best(match, beforeId, limit)
    return page(selectMatching.all(match, before?.atMs ?? Number.MAX_SAFE_INTEGER, before?.id ?? 0, limit + 1), limit)
  }

  /** What came of a solution before, newest first, the last word of each run only. */
  const outcomesOf = (rule: string, solution: string, presetId: string | null, limit: number): JournalEntry[] => {
    const rows = [...selectOutcomes.all(rule, solution, limit * 3), ...(presetId === null ? [] : selectOutcomesOfPreset.all(presetId, limit * 3))]
    const byRun = new Map<string, Row>()
    for (const row of rows.toSorted((a, b) => a.atMs - b.atMs || a.id - b.id)) byRun.set(row.runId ?? `entry ${row.id}`, row)
    return [...byRun.values()].map(entryOf).toSorted((a, b) => b.atMs - a.atMs || b.id - a.id).slice(0, limit)
  }

  const all = (): JournalFileEntry[] =>
    selectAll.all().map((row) => {
      const { id: _id, ...rest } = row as unknown as StoredRow
      return rest
    })

  /** Merges: what is known stays, except that a note comes to where there was none. */
  const take = (entries: readonly JournalFileEntry[]): { added: number; known: number } => {
    let added = 0
    for (const { uuid, ...rest } of entries) {
      if (write(uuid, rest) !== null) added += 1
      else if (rest.note !== '') takeNote.run(rest.note, uuid)
    }
    return { added, known: entries.length - added }
  }

  return {
    add: (next: NewEntry): number | null => write(crypto.randomUUID(), next),
    entry,
    search,
    outcomesOf,
    all,
    totals: (): JournalTotals => selectTotals.get() ?? { entries: 0, tried: 0, helped: 0 },
    take,
    foundAtMs: (rule: string, subject: string): number | null => selectFound.get(rule, subject)?.atMs ?? null,
    originOf: (runId: string): RunOrigin | null => {
      const row = selectOfRun.get(runId)
      return row === undefined ? null : { rule: row.rule, subject: row.subject, solution: row.solution, presetId: row.presetId }
    },
    note: (id: number, note: string, title: string | null): void => {
      setNote.run(note, id)
      if (title !== null) setTitle.run(title, id)
    },
    prune: (beforeMs: number): void => void drop.run(Math.max(beforeMs, selectLimit.get(MOST_FINDINGS)?.atMs ?? 0)),
  }
}
