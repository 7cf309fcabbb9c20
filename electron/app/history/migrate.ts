import type Database from 'better-sqlite3'

export interface Migration {
  /** 1, 2, 3 ...: the file's number and the schema version it leads to. */
  number: number
  name: string
  sql: string
}

/** "AMEM": marks a file as ours in SQLite's header. */
export const APPLICATION_ID = 0x414d454d

export const schemaVersion = (db: Database.Database): number => Number(db.pragma('user_version', { simple: true }))

/** Latest version that `migrations` lead to. */
export const latest = (migrations: readonly Migration[]): number => migrations.at(-1)?.number ?? 0

/**
 * Brings the file to the latest version, each step in a transaction of its own.
 * The version is read again inside: another process may have been faster.
 */
export const migrate = (db: Database.Database, migrations: readonly Migration[]): void => {
  for (const migration of migrations) {
    if (schemaVersion(db) >= migration.number) continue
    db.transaction(() => {
      if (schemaVersion(db) >= migration.number) return
      db.exec(migration.sql)
      db.pragma(`user_version = ${migration.number}`)
      db.pragma(`application_id = ${APPLICATION_ID}`)
    }).immediate()
  }
}
