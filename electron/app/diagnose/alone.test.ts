import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readEvidence } from '../../../helper/observe/evidence/read.ts'
import { diagnosisSchema, type Diagnosis } from '../../contract/diagnosis.ts'
import { createApp } from '../app.ts'
import { openHistory } from '../history/open.ts'
import type { NewEntry } from '../history/journal.ts'
import { processSeriesId } from '../history/types.ts'
import { isLikeLook, openAlone } from './alone.ts'
import { healthyLooks } from './testing/healthy.ts'

const captured = join(import.meta.dirname, '../../../helper/test/machines/debian-13-linux-6.12-zswap')
const { takenAtMs } = JSON.parse(readFileSync(join(captured, 'captured.json'), 'utf8')) as { takenAtMs: number }
const uid = process.getuid?.() ?? 0

let folder = ''
let root = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-alone-'))
  root = join(folder, 'machine')
  cpSync(captured, root, { recursive: true })
  // Something to be found: next to nothing is swapped, although swap is compressed.
  writeFileSync(join(root, 'proc/sys/vm/swappiness'), '1\n')
})
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })

const now = (): number => takenAtMs + 10
const history = (name: string) => {
  const opened = openHistory(join(folder, name, 'history.db'), { now })
  if (!opened.ok) throw new Error(opened.error.message)
  return opened.value
}

const outcome = (rule: string, solution: string): NewEntry => ({
  atMs: takenAtMs - 86_400_000, kind: 'outcome', rule, subject: '', solution, presetId: null, runId: '20261120T140312Z-00000001', title: 'Tried', text: '', outcome: 'kept', gainBytes: 1e9, kernelRelease: '6.12',
})

/** What another program left a minute ago, and what was tried the day before. */
const before = async (name: string, tried: readonly NewEntry[]): Promise<void> => {
  const look = await readEvidence(root, { uid: null, privileged: false })
  const kept = history(name)
  kept.writer.addLook({ ...look, takenAtMs: look.takenAtMs - 60_000, monotonicMs: look.monotonicMs - 60_000 })
  for (const entry of tried) kept.writer.addToJournal(entry)
  kept.close()
}

const alone = async (name: string, leaks = false): Promise<Diagnosis> => {
  const opened = await openAlone({ paths: { root, stateDir: join(folder, name) }, uid, leaks, now })
  const answer = await opened.get({ leaks })
  opened.close()
  if (!answer.ok) throw new Error(answer.error.message)
  return answer.value
}

const withApp = async (name: string, leaks = false): Promise<Diagnosis> => {
  const app = createApp({ paths: { configDir: join(folder, 'config'), stateDir: join(folder, name), runtimeDir: join(folder, 'run'), root }, systemBus: `unix:path=${folder}/none`, sessionBus: `unix:path=${folder}/none`, sampling: false, startSession: false, now })
  const answer = await app.call('diagnosis.get', { leaks })
  app.close()
  if (!answer.ok) throw new Error(answer.error.message)
  return answer.value
}

/** Only how long it took is of the moment. What is told from the history is left to --detect-leaks, and said so. */
const bytes = (diagnosis: Diagnosis): string => JSON.stringify({ ...diagnosis, tookMs: 0, ...(diagnosis.leaks === null ? { couldNotLook: diagnosis.couldNotLook.filter(({ rule }) => rule !== 'leaks.history') } : {}) }, null, 2)

test('without the app the answer is the same to the byte, first and later, with rates and what helped before', async () => {
  const first = await withApp('app')
  const found = first.findings.find(({ solutions }) => solutions.length > 1)
  if (found === undefined) throw new Error('expected something to be found')
  expect(bytes(await alone('own'))).toBe(bytes(first))
  expect(bytes(await alone('asked', true))).toBe(bytes(await withApp('asked-too', true)))
  const tried = [outcome(found.rule, found.solutions[1]?.id ?? '')]
  for (const name of ['app', 'own']) await before(name, tried)
  const [later, own] = [await withApp('app'), await alone('own')]
  expect(own.looks).toBeGreaterThan(1)
  expect(own.spanMs).toBe(60_000)
  expect(own.couldNotLook.length).toBeLessThan(first.couldNotLook.length)
  expect(own.findings.find(({ rule }) => rule === found.rule)?.solutions[0]).toMatchObject({ id: found.solutions[1]?.id, before: [{ outcome: 'kept' }] })
  expect(bytes(own)).toBe(bytes(later))
  expect(diagnosisSchema.parse(own)).toEqual(own)
})

test('what it finds stands in the journal once, and its look is there for the next', async () => {
  await alone('own')
  const { findings } = await alone('own')
  // Opened when the other is closed: two SQLite libraries in one process do not see each other's locks.
  const kept = history('own')
  const entries = kept.reader.journal({ text: '', limit: 100, beforeId: null }).entries
  expect(entries.map(({ rule }) => rule ?? '').toSorted()).toEqual(findings.map(({ rule }) => rule).toSorted())
  expect(kept.reader.looks(JSON.parse(readFileSync(join(captured, 'looks/0.json'), 'utf8')).bootId as string, 0, 10)).toHaveLength(1)
  kept.close()
})

test('leaks are told where they are asked for', async () => {
  expect((await alone('own')).leaks).toBeNull()
  expect((await alone('own', true)).leaks).toEqual([])
})

const MB = 1024 ** 2
const LEAKER = { pid: 777, startTimeTicks: 4321 }

/** A program of the captured machine that the app saw grow by so much an hour, for three hours until now. */
const growing = async (name: string, mbPerHour: number): Promise<void> => {
  const proc = join(root, 'proc', String(LEAKER.pid))
  mkdirSync(proc, { recursive: true })
  writeFileSync(join(proc, 'stat'), `${LEAKER.pid} (indexer) S 1 ${LEAKER.pid} ${LEAKER.pid} 0 -1 4194304 900 0 0 0 10 5 0 0 20 0 1 0 ${LEAKER.startTimeTicks} 900000000 100000 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`)
  writeFileSync(join(proc, 'status'), `Name:\tindexer\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nVmRSS:\t 400000 kB\nRssAnon:\t 390000 kB\nVmSwap:\t 0 kB\n`)
  writeFileSync(join(proc, 'cmdline'), 'indexer\0')
  const { bootId } = await readEvidence(root, { uid: null, privileged: false })
  const kept = history(name)
  for (let minute = 180; minute >= 0; minute -= 1) {
    const atMs = takenAtMs - minute * 60_000
    kept.writer.addSamples(atMs, { availableBytes: 1, agentsCostBytes: 1, compressedBytes: 0, freeBytes: 1, pressurePercent: 0, cacheBytes: 1, swapUsedBytes: null }, [], [{ id: processSeriesId(bootId, LEAKER, null), label: 'indexer', bytes: 300 * MB + ((180 - minute) / 60) * mbPerHour * MB }])
    if (minute % 5 === 0) kept.writer.rollUp(atMs)
  }
  kept.close()
}

test('a leak of hours is a finding with --detect-leaks, in the app always, in the journal and for reports', async () => {
  await growing('own', 100)
  const found = (await alone('own', true)).findings.filter(({ rule }) => rule === 'leaks.history')
  expect(found).toMatchObject([{ subject: '777:4321', severity: 'warning', solutions: [{ id: 'restart-it' }, { id: 'limit-it' }] }])
  const kept = history('own')
  expect(kept.reader.journal({ text: 'indexer', limit: 10, beforeId: null }).entries.map(({ rule }) => rule)).toEqual(['leaks.history'])
  expect(kept.reader.findingsBetween(0, now())?.findings.map(({ rule }) => rule)).toContain('leaks.history')
  kept.close()
  expect((await withApp('own')).findings.map(({ rule }) => rule)).toContain('leaks.history')
})

test('without being asked this command leaves the whole history alone, and says that it did', async () => {
  await growing('own', 100)
  const { findings, couldNotLook } = await alone('own')
  expect(findings.map(({ rule }) => rule)).not.toContain('leaks.history')
  expect(couldNotLook.find(({ rule }) => rule === 'leaks.history')?.needs).toContain('--detect-leaks')
})

test('who hardly grows is no finding', async () => {
  await growing('own', 8)
  const { findings, silent } = await alone('own', true)
  expect(findings.map(({ rule }) => rule)).not.toContain('leaks.history')
  expect(silent).toContain('leaks.history')
})

test('a look of another version is none of this one', () => {
  const [look] = healthyLooks()
  const again = structuredClone(look)
  expect(isLikeLook(again, look)).toBe(true)
  const { vmstat: _vmstat, ...without } = again
  expect(isLikeLook(without, look)).toBe(false)
  const [process, ...rest] = again.processes
  if (process === undefined) throw new Error('expected the healthy machine to have processes')
  const { swapBytes: _swap, ...less } = process
  expect(isLikeLook({ ...again, processes: [less, ...rest] }, look)).toBe(false)
  expect(isLikeLook({ ...again, processes: [] }, look)).toBe(true)
  for (const value of [null, 'text', [], { ...again, processes: null }]) expect(isLikeLook(value, look)).toBe(false)
})
