import Database from 'better-sqlite3'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'

export const DISK_FULL = 'The disk is full: history is not being recorded. Everything else works on.'
export const NOT_WRITABLE = 'The history file cannot be written: history is not being recorded. Everything else works on.'

/** A failure of SQLite that a user can do something about; null for a bug. */
export const failureOf = (error: unknown, path: string): Failure | null => {
  if (!(error instanceof Database.SqliteError)) return null
  const is = (prefix: string): boolean => error.code.startsWith(prefix)
  const make = (...args: Parameters<typeof fail>): Failure => fail(...args).error
  // The shared-memory file of the WAL cannot grow: the same full disk by another name.
  if (is('SQLITE_FULL') || is('SQLITE_IOERR_SHM') || is('SQLITE_IOERR_WRITE')) {
    return make('disk-full', DISK_FULL, {
      about: path,
      got: error.code,
      advice: 'Free some space, or lower "days of history" in Settings; recording goes on by itself.',
    })
  }
  if (is('SQLITE_BUSY') || is('SQLITE_LOCKED')) {
    return make('busy', 'Another program kept the history file locked for more than five seconds; this entry was not recorded.', { about: path })
  }
  if (is('SQLITE_READONLY') || is('SQLITE_CANTOPEN') || is('SQLITE_PERM')) {
    return make('write-refused', NOT_WRITABLE, {
      about: path,
      got: error.code,
      advice: 'Look at the owner and the rights of the file and its folder.',
    })
  }
  if (isDamage(error) || is('SQLITE_IOERR')) {
    return make('internal', 'The history file is damaged or its disk fails. It is looked at again at the next start.', { about: path, got: `${error.code}: ${error.message}` })
  }
  return null
}

/** The file is no SQLite database, or a broken one. */
export const isDamage = (error: unknown): boolean =>
  error instanceof Database.SqliteError && (error.code.startsWith('SQLITE_CORRUPT') || error.code === 'SQLITE_NOTADB')

/** Runs `work`; what SQLite reports about disk and file becomes a value, bugs stay exceptions. */
export const attempt = <T>(path: string, work: () => T): Result<T> => {
  try {
    return ok(work())
  } catch (error) {
    const failure = failureOf(error, path)
    if (failure === null) throw error
    return { ok: false, error: failure }
  }
}
