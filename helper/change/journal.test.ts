import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createJournal, escapeField, journalState, listJournals, moveJournal, parseJournal, pruneJournals, readJournal, unescapeField } from './journal.ts'

const header = { bootId: '11111111-2222-4333-8444-555555555555', runId: '20261121T010203Z-0a1b2c3d', role: 'system' as const }
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-journal-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const written = (): string => {
  const journal = createJournal(folder, header)
  if (!journal.ok) throw new Error(journal.error.message)
  journal.value.append({ undoClass: 'now', verb: 'write', target: '/sys/kernel/mm/ksm/run', old: '0', new: '1' })
  journal.value.append({ undoClass: 'when-it-fits', verb: 'swapoff', target: '/dev/zram0', old: null, new: 'on' })
  journal.value.append({ undoClass: 'now', verb: 'write', target: '/a file', old: '50 %\n', new: '' })
  journal.value.close()
  return join(folder, `${header.runId}.open`)
}

test('the text is plain: one line a change, each with its own sum', () => {
  expect(readFileSync(written(), 'utf8')).toMatchInlineSnapshot(`
    "agentmem-journal 1 11111111-2222-4333-8444-555555555555 20261121T010203Z-0a1b2c3d system 514e84aa
    1 now write /sys/kernel/mm/ksm/run 0 1 e069c788
    2 when-it-fits swapoff /dev/zram0 - on 7100a828
    3 now write /a%20file 50%20%25%0A % d40f0d5c
    "
  `)
})

test('what was written is read back, spaces, emptiness and nothing told apart', () => {
  written()
  const content = readJournal(folder, header.runId, 'open')
  expect(content).toEqual({
    ok: true,
    value: {
      header,
      records: [
        { seq: 1, undoClass: 'now', verb: 'write', target: '/sys/kernel/mm/ksm/run', old: '0', new: '1' },
        { seq: 2, undoClass: 'when-it-fits', verb: 'swapoff', target: '/dev/zram0', old: null, new: 'on' },
        { seq: 3, undoClass: 'now', verb: 'write', target: '/a file', old: '50 %\n', new: '' },
      ],
      torn: false,
      damaged: [],
    },
  })
})

test.each(['plain', '-', '', ' ', '%', 'a b\tc\n', 'naïve', '100%', null])('escaping %j goes there and back in one field', (text) => {
  expect(escapeField(text)).toMatch(/^[\x21-\x7e]+$/u)
  expect(unescapeField(escapeField(text))).toBe(text)
})

test('a last line cut anywhere is torn and the lines before it stand', () => {
  const text = readFileSync(written(), 'utf8')
  const lastStart = text.trimEnd().lastIndexOf('\n') + 1
  for (let end = lastStart + 1; end < text.length; end += 1) {
    const content = parseJournal(text.slice(0, end))
    expect(content.ok && content.value.records.map((record) => record.seq)).toEqual([1, 2])
    expect(content.ok && content.value.torn).toBe(true)
  }
})

test('a damaged line in the middle is named and the others are used', () => {
  const lines = readFileSync(written(), 'utf8').split('\n')
  lines[2] = lines[2]?.replace('zram0', 'zram1') ?? ''
  const content = parseJournal(lines.join('\n'))
  expect(content.ok && content.value.records.map((record) => record.seq)).toEqual([1, 3])
  expect(content.ok && content.value.damaged).toEqual([3])
})

test.each([
  ['an empty file', ''],
  ['noise', 'hello\n'],
  ['a first line with a wrong sum', 'agentmem-journal 1 b r system 00000000\n'],
])('%s is not trusted', (_, text) => {
  expect(parseJournal(text)).toMatchObject({ ok: false, error: { code: 'journal-unusable' } })
})

test('a journal of a later version is refused by its version', () => {
  const line = readFileSync(written(), 'utf8').split('\n')[0] ?? ''
  const later = line.replace('agentmem-journal 1', 'agentmem-journal 2')
  expect(parseJournal(`${later}\n`)).toMatchObject({ ok: false })
})

test('it is 0600, made once, and follows no link', () => {
  const path = written()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(createJournal(folder, header)).toMatchObject({ ok: false, error: { code: 'journal-unusable' } })
  const other = '20261121T010203Z-ffffffff'
  writeFileSync(join(folder, 'elsewhere'), '')
  symlinkSync(join(folder, 'elsewhere'), join(folder, `${other}.open`))
  expect(createJournal(folder, { ...header, runId: other })).toMatchObject({ ok: false, error: { code: 'journal-unusable' } })
  expect(readJournal(folder, other, 'open')).toMatchObject({ ok: false })
})

test('after a failed line nothing more is accepted', () => {
  const journal = createJournal(folder, header)
  if (!journal.ok) throw new Error('expected a journal')
  journal.value.close()
  const entry = { undoClass: 'now', verb: 'write', target: '/x', old: '0', new: '1' } as const
  expect(journal.value.append(entry)).toMatchObject({ ok: false, error: { code: 'journal-unusable' } })
  expect(journal.value.append(entry)).toMatchObject({ ok: false, error: { code: 'journal-unusable' } })
})

test('a run is in one state at a time', () => {
  const path = written()
  appendFileSync(path, 'torn')
  truncateSync(path, 10)
  expect(journalState(folder, header.runId)).toBe('open')
  moveJournal(folder, header.runId, 'open', 'kept')
  expect(journalState(folder, header.runId)).toBe('kept')
  expect(listJournals(folder, 'open')).toEqual([])
  moveJournal(folder, header.runId, 'kept', 'undone')
  pruneJournals(folder, 0)
  expect(journalState(folder, header.runId)).toBeNull()
})
