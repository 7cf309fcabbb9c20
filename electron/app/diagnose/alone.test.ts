import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readEvidence } from '../../../helper/observe/evidence/read.ts'
import { diagnosisSchema, type Diagnosis } from '../../contract/diagnosis.ts'
import { createApp } from '../app.ts'
import { openHistory } from '../history/open.ts'
import type { NewEntry } from '../history/journal.ts'
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

const withApp = async (name: string): Promise<Diagnosis> => {
  const app = createApp({ paths: { configDir: join(folder, 'config'), stateDir: join(folder, name), runtimeDir: join(folder, 'run'), root }, systemBus: `unix:path=${folder}/none`, sessionBus: `unix:path=${folder}/none`, sampling: false, startSession: false, now })
  const answer = await app.call('diagnosis.get', { leaks: false })
  app.close()
  if (!answer.ok) throw new Error(answer.error.message)
  return answer.value
}

/** Only how long it took is of the moment. */
const bytes = (diagnosis: Diagnosis): string => JSON.stringify({ ...diagnosis, tookMs: 0 }, null, 2)

test('without the app the answer is the same to the byte, first and later, with rates and what helped before', async () => {
  const first = await withApp('app')
  const found = first.findings.find(({ solutions }) => solutions.length > 1)
  if (found === undefined) throw new Error('expected something to be found')
  expect(bytes(await alone('own'))).toBe(bytes(first))
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
