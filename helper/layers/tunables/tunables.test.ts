import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { journalPath, listJournals, readJournal } from '../../change/journal.ts'
import { fakeRun, requestFor } from '../../change/testing/fake-run.ts'
import { layOut, settingsOf } from '../../change/testing/fake-tree.ts'
import { createKernelFiles } from '../../change/write.ts'
import type { PresetSettings } from '../../contract/presets.ts'
import type { RunRecord } from '../../contract/runs.ts'
import { largePieces } from './apply.ts'

const MIB = 1024 ** 2
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-tunables-'))
  layOut(root)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const vm = (name: string): string => readFileSync(join(root, '/proc/sys/vm', name), 'utf8').trim()
const set = (path: string, value: string): void => writeFileSync(join(root, path), `${value}\n`)

/** Applies, lets `meanwhile` happen while it waits for keep, undoes. */
const tried = async (tunables: PresetSettings['tunables'], meanwhile: () => void = () => {}, options: Parameters<typeof fakeRun>[1] = {}): Promise<{ record: RunRecord; writes: string[] }> => {
  const run = fakeRun(root, options)
  const applied = await run.manager.apply(1000, requestFor(run.manager, { tunables }))
  if (!applied.ok) throw new Error(applied.error.message)
  await Promise.race([run.until('waiting'), run.until('failed'), run.until('kept')])
  meanwhile()
  const found = run.manager.run(1000, applied.value.runId)
  if (found.ok && found.value.state === 'waiting') {
    const undone = await run.manager.undo(1000, { runId: applied.value.runId, cause: 'user-undo' })
    if (!undone.ok) throw new Error(undone.error.message)
  }
  await run.manager.close()
  const record = run.manager.run(1000, applied.value.runId)
  if (!record.ok) throw new Error(record.error.message)
  return { record: record.value, writes: run.writes }
}

test('what is tried is written as planned and taken back, last first', async () => {
  const before = settingsOf(root)
  let during: Record<string, string> = {}
  const { record, writes } = await tried({ swappiness: 150, pageCluster: 0, dirtyBytes: 64 * MIB, hugePageDefrag: 'defer' }, () => {
    during = settingsOf(root)
  })
  expect(during['/proc/sys/vm/swappiness']).toBe('150')
  expect(during['/proc/sys/vm/dirty_ratio']).toBe('0')
  expect(writes).toEqual([
    '/sys/kernel/mm/transparent_hugepage/defrag <- defer',
    '/proc/sys/vm/swappiness <- 150',
    '/proc/sys/vm/page-cluster <- 0',
    '/proc/sys/vm/dirty_bytes <- 67108864',
    '/proc/sys/vm/dirty_ratio <- 20',
    '/proc/sys/vm/page-cluster <- 3',
    '/proc/sys/vm/swappiness <- 60',
    '/sys/kernel/mm/transparent_hugepage/defrag <- madvise',
  ])
  expect(record.state).toBe('undone')
  expect(record.undo.map(({ outcome }) => outcome)).toEqual(['restored', 'restored', 'restored', 'restored'])
  expect(settingsOf(root)).toEqual(before)
})

test('bytes that were set before come back as bytes', async () => {
  set('/proc/sys/vm/dirty_bytes', '123456789')
  set('/proc/sys/vm/dirty_ratio', '0')
  await tried({ dirtyBytes: 64 * MIB })
  expect([vm('dirty_bytes'), vm('dirty_ratio')]).toEqual(['123456789', '0'])
})

test.each([
  ['other bytes', { dirty_bytes: '999424', dirty_ratio: '0' }],
  ['another ratio', { dirty_bytes: '0', dirty_ratio: '35' }],
])('%s that somebody else set since are left alone', async (_, by) => {
  const { record } = await tried({ dirtyBytes: 64 * MIB }, () => {
    for (const [name, value] of Object.entries(by)) set(`/proc/sys/vm/${name}`, value)
  })
  expect(record.state).toBe('partly-undone')
  expect(record.undo[0]).toMatchObject({ outcome: 'left-alone', old: '20%' })
  expect([vm('dirty_bytes'), vm('dirty_ratio')]).toEqual([by.dirty_bytes, by.dirty_ratio])
})

test('min_free_kbytes, which the kernel changes with huge pages, comes back too', async () => {
  const before = settingsOf(root)
  const { record } = await tried({ transparentHugePages: 'always' }, () => expect(vm('min_free_kbytes')).toBe('67584'))
  expect(record.undo.map(({ target }) => target)).toEqual(['/proc/sys/vm/min_free_kbytes', '/sys/kernel/mm/transparent_hugepage/enabled'])
  expect(settingsOf(root)).toEqual(before)
})

test('with both, the memory kept free is what was asked for, and then what it was', async () => {
  const before = settingsOf(root)
  await tried({ transparentHugePages: 'always', minFreeBytes: 100 * MIB }, () => expect(vm('min_free_kbytes')).toBe('102400'))
  expect(settingsOf(root)).toEqual(before)
})

test('huge pages that were taken into use meanwhile: the run fails and sets aside what was', async () => {
  const { record } = await tried({ hugePages: 200 }, () => {}, { reservedInUse: 300 })
  expect(record.state).toBe('failed')
  expect(record.error).toMatchObject({ code: 'read-back-differs' })
  expect(vm('nr_hugepages')).toBe('512')
})

test('huge pages are not set aside again where that does not fit', async () => {
  const { record } = await tried({ hugePages: 200 }, () => {
    set('/proc/meminfo', readFileSync(join(root, '/proc/meminfo'), 'utf8').replace(/MemAvailable: +\d+/u, 'MemAvailable: 900000'))
  })
  expect(record.undo[0]).toMatchObject({ outcome: 'waiting-for-memory' })
  expect(vm('nr_hugepages')).toBe('200')
})

test('compacting is one write, says what came of it, and waits for no answer', async () => {
  const { record, writes } = await tried({ compactNow: true })
  expect(writes).toEqual(['/proc/sys/vm/compact_memory <- 1'])
  expect(record.state).toBe('kept')
  expect(record.steps[0]?.readBack).toBe('5 free pieces of 2 MB, 5 before')
})

test('pieces are counted in the size asked for', () => {
  expect(largePieces('Node 0, zone   DMA      0      0      0      0      0      0      0      0      1      1      2 \nNode 0, zone   Normal      9      9      9      9      9      9      9      9      9      0      1 \nrubbish', 9)).toBe(7)
  expect(largePieces('', 9)).toBe(0)
})

test('the journal says the ratio, and nobody who edits it has another file written', async () => {
  const run = fakeRun(root)
  const applied = await run.manager.apply(1000, requestFor(run.manager, { tunables: { dirtyBackgroundBytes: 64 * MIB } }))
  if (!applied.ok) throw new Error(applied.error.message)
  await run.until('waiting')
  const folder = join(root, '/var/lib/agentmem/journal')
  const [id = ''] = listJournals(folder, 'open')
  const journal = readJournal(folder, id, 'open')
  expect(journal.ok && journal.value.records.map(({ undoClass, verb, target, old, new: now }) => [undoClass, verb, target, old, now])).toEqual([['now', 'write', '/proc/sys/vm/dirty_background_bytes', '10%', '67108864']])
  expect(readFileSync(journalPath(folder, id, 'open'), 'utf8')).toContain(' 10%25 67108864 ')
  await run.manager.undo(1000, { runId: applied.value.runId, cause: 'user-undo' })
  await run.manager.close()
})

test.each([
  ['/proc/sys/vm/overcommit_memory', '2'],
  ['/proc/sys/vm/dirty_bytes', '0'],
  ['/proc/sys/vm/swappiness', '201'],
  ['/proc/sys/vm/swappiness', '60\n'],
  ['/sys/kernel/mm/transparent_hugepage/enabled', 'always madvise'],
  ['/proc/sys/vm/overcommit_ratio', '50'],
  ['/proc/sys/vm/../kernel/core_pattern', '1'],
  ['/proc/sys/vm/panic_on_oom', '1'],
])('%s is never given %j', async (path, value) => {
  layOut(root, { '/proc/sys/vm/overcommit_ratio': '50\n', '/proc/sys/kernel/core_pattern': 'core\n', '/proc/sys/vm/panic_on_oom': '0\n' })
  const writes: string[] = []
  const kernel = createKernelFiles({ root, onWrite: (line) => writes.push(line) })
  expect(await kernel.write(path, value)).toMatchObject({ ok: false, error: { code: 'write-refused' } })
  expect(writes).toEqual([])
})
