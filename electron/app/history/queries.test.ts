import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { latest, migrate, schemaVersion } from './migrate.ts'
import { migrations } from './migrations/all.ts'
import { queries } from './queries.ts'

test('migrations are numbered 1, 2, 3 ... without a hole', () => {
  expect(migrations.map((migration) => migration.number)).toEqual(migrations.map((_, i) => i + 1))
})

test.each(migrations)('migration $number leads from the one before to its own version, and twice is once', (migration) => {
  const db = new Database(':memory:')
  migrate(db, migrations.slice(0, migration.number - 1))
  expect(schemaVersion(db)).toBe(migration.number - 1)
  migrate(db, migrations.slice(0, migration.number))
  expect(schemaVersion(db)).toBe(migration.number)
  migrate(db, migrations.slice(0, migration.number))
  expect(schemaVersion(db)).toBe(migration.number)
  db.close()
})

test('a migration that fails leaves the version before it', () => {
  const db = new Database(':memory:')
  migrate(db, migrations)
  const broken = { number: latest(migrations) + 1, name: 'broken', sql: 'CREATE TABLE half (a); CREATE TABLE half (a);' }
  expect(() => migrate(db, [...migrations, broken])).toThrow(/already exists/u)
  expect(schemaVersion(db)).toBe(latest(migrations))
  expect(db.prepare("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'half'").pluck().get()).toBe(0)
  db.close()
})

/** Scans that are right: a table of three rows, a list given by the caller, and walking an index in its order. */
const allowed: Partial<Record<keyof typeof queries, readonly string[]>> = {
  seriesByIds: ['SCAN json_each VIRTUAL TABLE INDEX 1:'],
  levels: ['SCAN level'],
  samples1sOf: ['SCAN json_each VIRTUAL TABLE INDEX 1:'],
  runs: ['SCAN run USING INDEX run_by_start'],
  snapshots: ['SCAN snapshot USING INDEX snapshot_by_time'],
  journal: ['SCAN j USING INDEX journal_by_time'],
  // Searching for words: the index of words is walked by itself, and only what matches is sorted.
  journalMatching: ['SCAN journal_words VIRTUAL TABLE INDEX 0:M5', 'USE TEMP B-TREE FOR ORDER BY'],
  journalBest: ['SCAN journal_words VIRTUAL TABLE INDEX 0:M5', 'USE TEMP B-TREE FOR ORDER BY'],
  // An export is all of it.
  journalAll: ['SCAN j USING INDEX journal_by_time'],
  // All outcomes are counted; the finding and the note, of which there are most, are not in this index.
  journalTotals: ['SCAN journal USING INDEX journal_by_preset', 'USE TEMP B-TREE FOR GROUP BY', 'SCAN (subquery-2)', 'SCAN journal USING COVERING INDEX journal_by_time'],
  findingLimit: ['SCAN journal USING COVERING INDEX journal_findings'],
  lookLimit: ['SCAN look USING COVERING INDEX look_by_time'],
  transitionLimit: ['SCAN transition USING COVERING INDEX transition_by_time'],
}

test.each(Object.entries(queries))('%s is answered by an index, without scanning or sorting', (name, sql) => {
  const db = new Database(':memory:')
  migrate(db, migrations)
  const placeholders = sql.split('?').length - 1
  const plan = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...Array.from({ length: placeholders }, () => 1)).map((row) => row.detail)
  db.close()
  expect(plan.length).toBeGreaterThan(0)
  expect(plan.filter((detail) => /^SCAN|TEMP B-TREE/u.test(detail))).toEqual(allowed[name as keyof typeof queries] ?? [])
})
