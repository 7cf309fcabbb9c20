import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type Database from 'better-sqlite3'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Finding } from '../../contract/diagnosis.ts'
import type { FindHistory } from '../diagnose/find.ts'
import { createJournalStore } from './journal.ts'
import { lookStore } from './look-store.ts'
import { APPLICATION_ID, latest } from './migrate.ts'
import { migrations } from './migrations/all.ts'

/** Somebody waits for this answer: less patience than the app has with a locked file. */
const BUSY_MS = 500
/** Each is up to a megabyte of memory here. */
const MOST_LOOKS = 3

export interface BriefHistory extends FindHistory {
  readonly search: ReturnType<typeof createJournalStore>['search']
  readonly close: () => void
}

const isFinding = (value: unknown): value is Finding =>
  typeof value === 'object' && value !== null && 'rule' in value && typeof value.rule === 'string' && 'subject' in value && typeof value.subject === 'string'

const number = (db: DatabaseSync, pragma: string): unknown => db.prepare(`PRAGMA ${pragma}`).get()?.[pragma]

/**
 * The history for a command that asks once and ends: what diagnosing needs of
 * it, read and written by the same statements, with the SQLite that comes with
 * Node instead of the package, whose library takes 5 MB, and without schemas.
 * Null where there is no file yet, or one that has to be brought up to date, set
 * aside or refused: that is for openHistory to do, and never both at a time in
 * one process, where two SQLite libraries do not see each other's locks.
 * `isLikeNow` says whether a kept look is one of this version of the program.
 */
export const openBriefHistory = (path: string, isLikeNow: (look: unknown) => look is Evidence): BriefHistory | null => {
  if (!existsSync(path)) return null
  let db: DatabaseSync | null = null
  try {
    db = new DatabaseSync(path, { timeout: BUSY_MS })
    if (number(db, 'user_version') !== latest(migrations) || number(db, 'application_id') !== APPLICATION_ID) throw new Error('not of this version')
    db.exec('PRAGMA synchronous = NORMAL')
    return over(db, path, isLikeNow)
  } catch {
    db?.close()
    return null
  }
}

const over = (db: DatabaseSync, path: string, isLikeNow: (look: unknown) => look is Evidence): BriefHistory => {
  // Both give `prepare`, and statements with `get`, `all` and `run`: the stores ask for nothing else.
  const asked = db as unknown as Pick<Database.Database, 'prepare'>
  const journal = createJournalStore(asked)
  const looks = lookStore(asked, {
    look: (body) => (isLikeNow(body) ? body : null),
    findings: (body) => (Array.isArray(body) && body.every(isFinding) ? body : null),
  })
  /** A full disk or a locked file costs the memory of this look, never the answer. */
  const write = <T>(work: () => T): Result<T> => {
    try {
      db.exec('BEGIN IMMEDIATE')
      const result = work()
      db.exec('COMMIT')
      return ok(result)
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      return fail('write-refused', 'What was found could not be written to the history.', { about: path, got: error instanceof Error ? error.message : String(error) })
    }
  }
  return {
    reader: {
      looks: (bootId, sinceMs, limit) => looks.looks(bootId, sinceMs, Math.min(limit, MOST_LOOKS)),
      outcomesOf: journal.outcomesOf,
      foundAtMs: journal.foundAtMs,
      findingsBetween: looks.findingsBetween,
    },
    writer: {
      addLook: (look) => write(() => { looks.addLook(look) }),
      addToJournal: (entry) => write(() => journal.add(entry)),
      addFindings: (atMs, runId, findings) => write(() => { looks.addFindings(atMs, runId, findings) }),
    },
    search: journal.search,
    close: () => { db.close() },
  }
}
