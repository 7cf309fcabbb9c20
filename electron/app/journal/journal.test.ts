import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fail, ok } from '../../../helper/contract/result.ts'
import { journalEntrySchema, type Diagnosis, type Finding, type Solution } from '../../contract/diagnosis.ts'
import { openHistoryInMemory } from '../history/open.ts'
import type { History } from '../history/types.ts'
import { createJournal, type Journal } from './journal.ts'

let history: History
let other: History
let journal: Journal
let changes = 0
const NOW = Date.UTC(2026, 4, 3, 10)
const make = (of: History): Journal => createJournal({ history: of, found: async () => fail('internal', 'Nobody may look here.'), grown: async () => ok(null), kernelRelease: () => '6.12.9', onChanged: () => { changes += 1 }, now: () => NOW })
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

describe('by hand', () => {
  const solution = (id: string, act: Solution['act']): Solution => ({ id, title: `Do ${id}`, what: '', tradeOff: '', sideEffects: '', scope: '', undo: 'by-hand', undoWords: '', act, before: [] })
  const full: Finding = {
    rule: 'swap.none', subject: '', severity: 'warning', topic: 'swap', title: 'There is no swap', explanation: '', lookDeeper: [],
    figures: [{ what: 'Swap', value: 0, unit: 'bytes', source: '/proc/meminfo', threshold: null, history: null }],
    solutions: [solution('buy', { how: 'advice' }), solution('type', { how: 'command', command: 'swapon x', needsRoot: true }), solution('try', { how: 'preset', presetId: 'p', agentIds: null }), solution('suspend-idle', { how: 'page', page: 'agents', rest: [] }), solution('end-unneeded', { how: 'page', page: 'agents', rest: [] })],
  }
  const said = (change: Partial<Parameters<Journal['did']>[0]> = {}): Parameters<Journal['did']>[0] => ({ rule: 'swap.none', subject: '', solution: 'buy', outcome: 'kept', note: ' quieter ', ...change })
  const findIt = (atMs: number): void => {
    history.writer.addFindings(atMs, null, [full])
    history.writer.addToJournal({ atMs, kind: 'finding', rule: full.rule, subject: full.subject, solution: null, presetId: null, runId: null, title: full.title, text: '', outcome: null, gainBytes: null, kernelRelease: '6.12.9' })
  }

  test('advice and commands that were shown, also where they helped so that it is not found any more', async () => {
    findIt(NOW - 3 * 86_400_000)
    expect(await journal.did(said())).toMatchObject({ ok: true, value: { kind: 'outcome', rule: 'swap.none', solution: 'buy', title: 'Do buy: done by hand', text: 'For: There is no swap', note: 'quieter', outcome: 'kept', gainBytes: { value: null } } })
    expect(await journal.did(said({ solution: 'type', outcome: 'no-gain', note: '' }))).toMatchObject({ ok: true, value: { title: 'Do type: done by hand, but nothing was won', text: 'For: There is no swap\nswapon x' } })
    expect(await journal.did(said({ solution: 'end-unneeded', outcome: 'undone' }))).toMatchObject({ ok: true, value: { outcome: 'undone' } })
    expect(history.reader.outcomesOf('swap.none', 'buy', null, 5)).toMatchObject([{ outcome: 'kept', note: 'quieter' }])
    expect(changes).toBe(3)
  })

  test('what the program does itself, and what was never shown, is refused in words', async () => {
    findIt(NOW)
    for (const id of ['try', 'suspend-idle']) expect(await journal.did(said({ solution: id }))).toMatchObject({ ok: false, error: { code: 'bad-request', about: id } })
    const now = (): Journal => createJournal({ history, found: async () => ok({ findings: [] } as unknown as Diagnosis), grown: async () => ok(null), kernelRelease: () => '', onChanged: () => {}, now: () => NOW })
    expect(await now().did(said({ solution: 'pray' }))).toMatchObject({ ok: false, error: { code: 'bad-request', expected: 'buy, type, try, suspend-idle, end-unneeded', got: 'pray' } })
    expect(await now().did(said({ rule: 'no.such' }))).toMatchObject({ ok: false, error: { code: 'bad-request', about: 'no.such' } })
    // Not written down yet, but there: what is found now is asked.
    expect(await journal.did(said({ rule: 'no.such' }))).toMatchObject({ ok: false, error: { message: 'Nobody may look here.' } })
    expect(history.reader.journalTotals().tried).toBe(0)
  })
})
