import { closeSync, existsSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { DISK_FULL, failureOf, isDamage, NOT_WRITABLE } from './failures.ts'
import { createHistory } from './history.ts'
import { APPLICATION_ID, latest, migrate, schemaVersion } from './migrate.ts'
import { migrations } from './migrations/all.ts'
import type { History } from './types.ts'

/** The app and agentmemctl may both have the file open: wait for the other's transaction. */
const BUSY_MS = 5_000

export interface OpenOptions {
  now?: () => number
  /** For tests: refuse to grow beyond this many pages, as a full disk would. */
  maxPages?: number
}

const fromTheFuture = (path: string, version: number): { ok: false; error: Failure } =>
  fail('too-old', 'The history was written by a newer version of Agent Memory Center; this one leaves it untouched and records nothing.', {
    about: path,
    expected: `schema version ${latest(migrations)} or older`,
    got: `schema version ${version}`,
    advice: 'Start the newer version, or move the file away to begin a new history.',
  })

/** Looks at an existing file without changing it. Throws what SQLite throws on a damaged one. */
const inspect = (path: string): Result<void> => {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_MS })
  try {
    const version = schemaVersion(db)
    if (version > latest(migrations)) return fromTheFuture(path, version)
    const tables = Number(db.prepare('SELECT COUNT(*) FROM sqlite_schema').pluck().get())
    if (tables > 0 && db.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
      return fail('write-refused', 'The file given as history is a database of another program; it is left untouched.', {
        about: path,
        advice: 'Move it away, or choose another place for the history.',
      })
    }
    const check = db.pragma('quick_check(1)', { simple: true })
    if (check !== 'ok') throw new Database.SqliteError(String(check), 'SQLITE_CORRUPT')
    return ok(undefined)
  } finally {
    db.close()
  }
}

/** Moves a damaged database and what belongs to it aside; answers the new name. */
const moveAside = (path: string, nowMs: number): string => {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/gu, '')
  const aside = `${path}.damaged-${stamp}`
  for (const suffix of ['-wal', '-shm', '']) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  return aside
}

const connect = (path: string, options: OpenOptions): Database.Database => {
  // SQLite would follow the umask; names of projects are nobody else's business.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const db = new Database(path, { timeout: BUSY_MS })
  try {
    db.pragma('auto_vacuum = INCREMENTAL') // before the first table; no effect later
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL') // a power cut may lose the last seconds, never the file
    db.pragma('journal_size_limit = 4194304')
    db.pragma('foreign_keys = ON')
    if (options.maxPages !== undefined) db.pragma(`max_page_count = ${options.maxPages}`)
    migrate(db, migrations)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** What cannot be read or made on this disk, as a value; bugs stay exceptions. */
const refusal = (path: string, error: unknown): { ok: false; error: Failure } => {
  const failure = failureOf(error, path)
  if (failure !== null) return { ok: false, error: failure }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOSPC' || code === 'EDQUOT') return fail('disk-full', DISK_FULL, { about: path, got: code, advice: 'Free some space; history begins at the next start.' })
  if (code.startsWith('E')) return fail('write-refused', NOT_WRITABLE, { about: path, got: code, advice: 'Look at the owner and the rights of the file and its folder.' })
  throw error
}

/**
 * Opens or makes the history at `path`. A damaged file is moved aside, never
 * deleted, and the history says so; a file from a newer version is refused
 * and left as it is.
 */
export const openHistory = (path: string, options: OpenOptions = {}): Result<History> => {
  const now = options.now ?? Date.now
  const notices: string[] = []
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    try {
      const seen = existsSync(path) ? inspect(path) : ok(undefined)
      if (!seen.ok) return seen
    } catch (error) {
      if (!isDamage(error)) throw error
      notices.push(`The history file was damaged. It was moved aside to ${moveAside(path, now())} and a new history was begun.`)
    }
    return ok(createHistory(connect(path, options), path, notices))
  } catch (error) {
    return refusal(path, error)
  }
}

/**
 * A history in memory, for when the file cannot be used: everything works
 * until the app ends, and `failure` is what the user is told.
 */
export const openHistoryInMemory = (failure: Failure): History =>
  createHistory(connect(':memory:', {}), ':memory:', [`${failure.message} Until the app ends, history is kept in memory.`])
