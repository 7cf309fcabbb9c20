import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sampleRun } from '../report/sample-run.ts'
import { openHistory, openHistoryInMemory } from './open.ts'
import type { History, MachineSample } from './types.ts'

const machine: MachineSample = { availableBytes: 6e9, agentsCostBytes: 3e9, compressedBytes: 0, freeBytes: 4e9, pressurePercent: 0.5, cacheBytes: 2e9, swapUsedBytes: 0 }
let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-history-'))
  path = join(folder, 'state', 'history.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const opened = (options = {}): History => {
  const history = openHistory(path, options)
  if (!history.ok) throw new Error(history.error.message)
  return history.value
}

test('a new history is private to its user', () => {
  opened().close()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700)
})

test('what was written is there after opening again, and opening again changes nothing', () => {
  const history = opened()
  expect(history.writer.addEvent({ atMs: 5, kind: 'problem', text: 'a', runId: null, agentId: null })).toEqual({ ok: true, value: 1 })
  history.close()
  const again = opened()
  expect(again.reader.events({ fromMs: 0, toMs: 10, limit: 5 })).toEqual([{ id: 1, atMs: 5, kind: 'problem', text: 'a', runId: null, agentId: null }])
  expect(again.notices).toEqual([])
  again.close()
})

test('a history from the future is refused in words and left byte for byte as it is', () => {
  opened().close()
  const db = new Database(path)
  db.pragma('user_version = 99')
  db.close()
  const bytes = readFileSync(path)
  const refused = openHistory(path)
  expect(refused).toMatchObject({ ok: false, error: { code: 'too-old', about: path, got: 'schema version 99' } })
  expect(refused.ok ? '' : refused.error.message).toMatch(/newer version .* untouched/u)
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

test("another program's database is refused and left as it is", () => {
  opened().close()
  const foreign = join(folder, 'foreign.db')
  const db = new Database(foreign)
  db.exec('CREATE TABLE theirs (a)')
  db.close()
  const bytes = readFileSync(foreign)
  expect(openHistory(foreign)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
  expect(readFileSync(foreign).equals(bytes)).toBe(true)
})

test.each([
  ['not a database at all', () => Buffer.from('this is no database, but somebody put it here\n'.repeat(200))],
  ['a database with a torn page', (good: Buffer) => Buffer.concat([good.subarray(0, 4096), Buffer.alloc(good.length - 4096, 0xa5)])],
])('%s is moved aside, never deleted, and a new history begins', (_, damage) => {
  opened().close()
  const damaged = damage(readFileSync(path))
  writeFileSync(path, damaged)
  const history = opened({ now: () => Date.UTC(2026, 10, 20, 14, 3, 0) })
  expect(history.notices).toHaveLength(1)
  expect(history.notices[0]).toContain('history.db.damaged-20261120T140300Z')
  expect(readFileSync(`${path}.damaged-20261120T140300Z`).equals(damaged)).toBe(true)
  expect(history.writer.addSamples(1000, machine, []).ok).toBe(true)
  history.close()
})

test('a folder that cannot be made is a value with advice', () => {
  writeFileSync(join(folder, 'state'), 'a file where the folder should be')
  expect(openHistory(path)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
})

test('a full disk is disk-full, loses nothing that was stored, and ends by itself', () => {
  const small = opened({ maxPages: 80 })
  expect(small.writer.addEvent({ atMs: 1, kind: 'problem', text: 'before', runId: null, agentId: null }).ok).toBe(true)
  let failure = null
  for (let i = 0; i < 200 && failure === null; i += 1) {
    const stored = small.writer.addEvent({ atMs: 2, kind: 'problem', text: 'x'.repeat(4000), runId: null, agentId: null })
    if (!stored.ok) failure = stored.error
  }
  expect(failure).toMatchObject({ code: 'disk-full', about: path })
  expect(failure?.message).toMatch(/disk is full.*not being recorded.*works on/u)
  expect(small.trouble()).toEqual(failure)
  expect(small.reader.events({ fromMs: 0, toMs: 1, limit: 1 })).toHaveLength(1)
  expect(small.writer.finishRun(sampleRun())).toMatchObject({ ok: false, error: { code: 'disk-full' } })
  expect(small.reader.run(sampleRun().id)).toBeNull()
  small.close()
  const roomy = opened()
  expect(roomy.writer.finishRun(sampleRun()).ok).toBe(true)
  expect(roomy.trouble()).toBeNull()
  roomy.close()
})

test.skipIf(process.getuid?.() !== 0)('a real full disk, as root on a small tmpfs', (context) => {
  const mount = join(folder, 'tiny')
  spawnSync('mkdir', [mount])
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', mount]).status !== 0) context.skip('mounting a tmpfs is not allowed here')
  try {
    const history = openHistory(join(mount, 'history.db'))
    if (!history.ok) throw new Error(history.error.message)
    let failure = null
    for (let i = 0; i < 500 && failure === null; i += 1) {
      const stored = history.value.writer.addEvent({ atMs: i, kind: 'problem', text: 'x'.repeat(4000), runId: null, agentId: null })
      if (!stored.ok) failure = stored.error
    }
    expect(failure).toMatchObject({ code: 'disk-full' })
    history.value.close()
    writeFileSync(join(mount, 'filler'), '')
    spawnSync('dd', ['if=/dev/zero', `of=${join(mount, 'filler')}`, 'bs=4k'])
    const unopened = openHistory(join(mount, 'second.db'))
    expect(unopened).toMatchObject({ ok: false, error: { code: 'disk-full' } })
  } finally {
    spawnSync('umount', [mount])
  }
})

test('a history in memory works and says why it is one', () => {
  const history = openHistoryInMemory({ code: 'disk-full', message: 'The disk is full.' })
  expect(history.notices[0]).toContain('The disk is full. Until the app ends')
  expect(history.writer.finishRun(sampleRun()).ok).toBe(true)
  expect(history.reader.runs(10)).toHaveLength(1)
  history.close()
})

test('two processes make the file and write at once, neither loses a line', async () => {
  const program = `
    import { openHistory } from ${JSON.stringify(new URL('open.ts', import.meta.url).href)}
    const h = openHistory(${JSON.stringify(path)})
    if (!h.ok) throw new Error(h.error.message)
    for (let i = 0; i < 150; i++) {
      const r = h.value.writer.addEvent({ atMs: i, kind: 'helper', text: process.argv[1], runId: null, agentId: null })
      if (!r.ok) throw new Error(r.error.message)
      const s = h.value.writer.addSamples(1000 * i, { availableBytes: 1, agentsCostBytes: 1, compressedBytes: 1, freeBytes: 1, pressurePercent: 1, cacheBytes: 1, swapUsedBytes: 1 }, [])
      if (!s.ok) throw new Error(s.error.message)
    }
    h.value.close()`
  const { spawn } = await import('node:child_process')
  const run = (name: string): Promise<number | null> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, name], { stdio: ['ignore', 'ignore', 'inherit'] })
      child.on('close', resolve)
    })
  expect(await Promise.all([run('app'), run('agentmemctl')])).toEqual([0, 0])
  const history = opened()
  const texts = history.reader.events({ fromMs: 0, toMs: 1000, limit: 1000 }).map((event) => event.text)
  expect(texts.filter((text) => text === 'app')).toHaveLength(150)
  expect(texts.filter((text) => text === 'agentmemctl')).toHaveLength(150)
  history.close()
  expect(readdirSync(join(folder, 'state'))).toEqual(['history.db'])
})
