import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { healthyLooks } from '../diagnose/testing/healthy.ts'
import { openBriefHistory } from './brief.ts'
import type { NewEntry } from './journal.ts'
import { openHistory } from './open.ts'

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-brief-'))
  path = join(folder, 'history.db')
})
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })

const whole = () => {
  const opened = openHistory(path)
  if (!opened.ok) throw new Error(opened.error.message)
  return opened.value
}
const brief = () => {
  const opened = openBriefHistory(path, (look): look is Evidence => typeof look === 'object')
  if (opened === null) throw new Error('expected the history to open')
  return opened
}
const [look] = healthyLooks()
const entry = (title: string): NewEntry => ({ atMs: 1000, kind: 'finding', rule: 'swap.none', subject: '', solution: null, presetId: null, runId: null, title, text: 'No swap', outcome: null, gainBytes: null, kernelRelease: '6.12' })

test.each([
  ['there is none', () => {}],
  ['it is an older one', () => { whole().close(); const db = new Database(path); db.pragma('user_version = 1'); db.close() }],
  ['it is a newer one', () => { whole().close(); const db = new Database(path); db.pragma('user_version = 99'); db.close() }],
  ['it is of another program', () => { whole().close(); const db = new Database(path); db.pragma('application_id = 7'); db.close() }],
  ['it is damaged', () => { writeFileSync(path, 'no database at all, but long enough to be taken for one'.repeat(100)) }],
])('is left to the whole history where %s', (_name, make) => {
  make()
  expect(openBriefHistory(path, (value): value is Evidence => value !== null)).toBeNull()
})

// One after the other: two SQLite libraries in one process do not see each other's locks.
test('what one writes, the other reads', () => {
  whole().close()
  const command = brief()
  expect(command.writer.addToJournal(entry('Found by the command'))).toMatchObject({ ok: true })
  expect(command.writer.addLook({ ...look, takenAtMs: 5000 })).toEqual({ ok: true, value: undefined })
  command.close()
  const app = whole()
  expect(app.reader.journal({ text: 'command', limit: 5, beforeId: null }).entries).toMatchObject([{ title: 'Found by the command' }])
  expect(app.reader.looks(look.bootId, 0, 5)).toEqual([{ ...look, takenAtMs: 5000 }])
  app.writer.addToJournal(entry('Found by the app'))
  app.writer.addFindings(6000, null, [])
  app.close()
  const next = brief()
  expect(next.search({ text: '', limit: 5, beforeId: null }).entries.map(({ title }) => title)).toEqual(['Found by the app', 'Found by the command'])
  expect(next.reader.findingsBetween(0, 7000)).toEqual({ atMs: 6000, findings: [] })
  expect(next.reader.foundAtMs('swap.none', '')).toBe(1000)
  next.close()
})

test('of many looks it takes the first, the last and one between', () => {
  const app = whole()
  for (let i = 0; i < 24; i += 1) app.writer.addLook({ ...look, takenAtMs: i * 30_000 })
  app.close()
  const command = brief()
  expect(command.reader.looks(look.bootId, 0, 60).map((each) => each.takenAtMs / 30_000)).toEqual([0, 11, 23])
  expect(command.reader.looks('another boot', 0, 60)).toEqual([])
  command.close()
})

test('a history that another program keeps locked costs what was to be written, and no more', () => {
  whole().close()
  const locker = brief()
  const command = brief()
  locker.writer.addLook(look)
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  expect(command.writer.addToJournal(entry('Late'))).toMatchObject({ ok: false, error: { code: 'write-refused', got: expect.stringContaining('locked') as string } })
  expect(command.reader.looks(look.bootId, 0, 4)).toHaveLength(1)
  other.exec('ROLLBACK')
  expect(command.writer.addToJournal(entry('Now'))).toMatchObject({ ok: true })
  for (const db of [command, locker, other]) db.close()
})
