import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { journalEntrySchema } from '../../contract/diagnosis.ts'
import { openHistoryInMemory } from '../history/open.ts'
import type { History } from '../history/types.ts'
import { createJournal, type Journal } from './journal.ts'

let history: History
let other: History
let journal: Journal
let changes = 0
const NOW = Date.UTC(2026, 4, 3, 10)
const make = (of: History): Journal => createJournal({ history: of, kernelRelease: () => '6.12.9', onChanged: () => { changes += 1 }, now: () => NOW })
beforeEach(() => {
  history = openHistoryInMemory({ code: 'internal', message: 'test' })
  other = openHistoryInMemory({ code: 'internal', message: 'test' })
  journal = make(history)
  changes = 0
})
afterEach(() => {
  history.close()
  other.close()
})

const texts = (of: Journal, text = ''): string[] => {
  const answer = of.search({ text, limit: 10, beforeId: null })
  return answer.ok ? answer.value.entries.map((entry) => journalEntrySchema.parse(entry).note) : []
}

describe('notes', () => {
  test('one of its own takes its first line as title, also when it is changed', () => {
    const made = journal.note({ id: null, note: '\n  Restarted the laptop.\nAfter that all was well.' })
    if (!made.ok) throw new Error(made.error.message)
    expect(made.value).toMatchObject({ kind: 'note', title: 'Restarted the laptop.', atMs: NOW, kernelRelease: '6.12.9', rule: null, outcome: null })
    const changed = journal.note({ id: made.value.id, note: 'x'.repeat(300) })
    expect(changed.ok && changed.value.title).toHaveLength(120)
    expect(texts(journal, 'restarted')).toEqual([])
    expect(changes).toBe(2)
  })

  test('empty ones, and those on what is gone, are refused in words', () => {
    expect(journal.note({ id: null, note: '  \n' })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(journal.note({ id: 77, note: 'a' })).toMatchObject({ ok: false, error: { code: 'bad-request', about: 'entry 77' } })
    const own = journal.note({ id: null, note: 'mine' })
    expect(own.ok && journal.note({ id: own.value.id, note: '' })).toMatchObject({ ok: false })
    expect(changes).toBe(1)
  })

  test('a note on an entry can be taken away again', () => {
    const id = history.writer.addToJournal({ atMs: 1, kind: 'finding', rule: 'a.b', subject: '', solution: null, presetId: null, runId: null, title: 't', text: '', outcome: null, gainBytes: null, kernelRelease: '' })
    if (!id.ok || id.value === null) throw new Error('new')
    journal.note({ id: id.value, note: 'hm' })
    expect(journal.note({ id: id.value, note: ' ' })).toMatchObject({ ok: true, value: { note: '', title: 't' } })
  })
})

describe('export and import', () => {
  test('what one writes the other takes, once', () => {
    journal.note({ id: null, note: 'first' })
    journal.note({ id: null, note: '"quotes" and \u{1f600}' })
    const file = journal.export()
    if (!file.ok) throw new Error(file.error.message)
    expect(file.value.fileName).toBe('agentmem-journal-20260503.json')
    expect(JSON.parse(file.value.text)).toMatchObject({ version: 1, what: 'agentmem-journal', exportedAtMs: NOW })
    changes = 0
    expect(make(other).import({ text: file.value.text })).toEqual({ ok: true, value: { added: 2, known: 0 } })
    expect(make(other).import({ text: file.value.text })).toEqual({ ok: true, value: { added: 0, known: 2 } })
    expect(changes).toBe(1)
    expect(texts(make(other))).toEqual(texts(journal))
  })

  test('an outcome from elsewhere is consulted here', () => {
    other.writer.addToJournal({ atMs: 1, kind: 'outcome', rule: 'a.b', subject: '', solution: 's', presetId: null, runId: '20261120T140312Z-00000001', title: 't', text: '', outcome: 'kept', gainBytes: 5, kernelRelease: '' })
    const file = make(other).export()
    journal.import({ text: file.ok ? file.value.text : '' })
    expect(history.reader.outcomesOf('a.b', 's', null, 5)).toMatchObject([{ outcome: 'kept', gainBytes: { value: 5 } }])
  })

  test.each([
    ['{', /not JSON/u],
    ['[]', /"?the file"? is not valid/u],
    ['{"version":1}', /"what" is not valid/u],
    ['{"version":1,"what":"agentmem-journal","exportedAtMs":1,"entries":[{"uuid":"x"}]}', /"entries\.0\.uuid" is not valid/u],
    ['{"version":2}', /newer version/u],
  ])('%s is refused with what is wrong, and nothing is taken', (text, message) => {
    const answer = journal.import({ text })
    expect(answer.ok ? '' : answer.error.message).toMatch(message)
    expect(texts(journal)).toEqual([])
    expect(changes).toBe(0)
  })
})
