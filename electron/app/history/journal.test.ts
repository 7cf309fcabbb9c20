import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JournalFileEntry } from '../../contract/journal-file.ts'
import type { NewEntry } from './journal.ts'
import { matchOf } from './journal-words.ts'
import { openHistoryInMemory } from './open.ts'
import type { History } from './types.ts'

let history: History
beforeEach(() => { history = openHistoryInMemory({ code: 'internal', message: 'test' }) })
afterEach(() => history.close())

const DAY = 86_400_000
const entry = (changes: Partial<NewEntry> = {}): NewEntry => ({
  atMs: 1_000_000, kind: 'finding', rule: 'swap.none', subject: '', solution: null, presetId: null, runId: null,
  title: 'There is no swap', text: 'Memory has nowhere to go: /proc/swaps is empty.', outcome: null, gainBytes: null, kernelRelease: '6.12.9-amd64', ...changes,
})
const outcome = (run: string, changes: Partial<NewEntry> = {}): NewEntry =>
  entry({ kind: 'outcome', solution: 'add-zram', runId: `20261120T14031${run}Z-5b1c09de`, outcome: 'kept', gainBytes: 1_200_000_000, title: 'Compressed swap: kept', text: 'It won 1.1 GB.', ...changes })
const add = (next: NewEntry): number => {
  const id = history.writer.addToJournal(next)
  if (!id.ok || id.value === null) throw new Error('the entry is new')
  return id.value
}
const titles = (text: string, more: Partial<Parameters<History['reader']['journal']>[0]> = {}): string[] =>
  history.reader.journal({ text, limit: 100, beforeId: null, ...more }).entries.map(({ title }) => title)

describe('searching', () => {
  beforeEach(() => {
    add(entry({ atMs: 1000, title: 'Swap is slow', text: 'kswapd ran all the time' }))
    add(entry({ atMs: 3000, title: 'Dirty pages', text: 'vm.dirty_bytes is large; the café of swap', rule: 'page-cache.dirty' }))
    add(entry({ atMs: 2000, title: 'A leak', text: 'grew by 12 MB an hour', note: 'the Übersetzer was at it', rule: 'leaks.agent' }))
  })

  test('without words it is everything, newest first, whatever order it came in', () => {
    expect(titles('')).toEqual(['Dirty pages', 'A leak', 'Swap is slow'])
    expect(titles('   ')).toHaveLength(3)
  })

  test.each([
    ['swap', ['Dirty pages', 'Swap is slow']],
    ['SWA', ['Dirty pages', 'Swap is slow']],
    ['swap kswapd', ['Swap is slow']],
    ['"swap is"', ['Swap is slow']],
    ['"is swap"', []],
    ['cafe', ['Dirty pages']],
    ['ubersetz', ['A leak']],
    ['vm.dirty_bytes', ['Dirty pages']],
    ['page-cache.dirty', ['Dirty pages']],
    ['"unfinished', []],
    ['hour', ['A leak']],
  ])('%s finds %j', (text, found) => expect(titles(text)).toEqual(found))

  test('the best first: a word of the title before one of the text', () => {
    expect(titles('swap', { order: 'best' })).toEqual(['Swap is slow', 'Dirty pages'])
  })

  test.each(['"', '""', '*', 'AND', 'OR NOT', 'NEAR(a b)', 'title:', '^swap', 'a" OR "b', '{', '-', '--', '\0', '\u{1f600}', ')(', 'rule : x', '😀 swap', "'; DROP TABLE journal; --"])('%j is words, never syntax', (text) => {
    for (const order of ['newest', 'best'] as const) expect(Array.isArray(titles(text, { order }))).toBe(true)
  })

  test('signs alone find nothing, and are no search for everything', () => {
    expect(matchOf('-- "" !')).toBeNull()
    expect(titles('--')).toEqual([])
  })

  test.each(['newest', 'best'] as const)('page by page, %s first, nothing twice and nothing lost', (order) => {
    for (let i = 0; i < 25; i += 1) add(entry({ atMs: 5000 + (i % 4), title: `Again ${i}`, text: 'swap' }))
    const seen: number[] = []
    let beforeId: number | null = null
    let pages = 0
    for (;;) {
      const page = history.reader.journal({ text: 'swap', limit: 6, beforeId, order })
      seen.push(...page.entries.map(({ id }) => id))
      pages += 1
      beforeId = seen.at(-1) ?? null
      if (!page.more) break
    }
    expect(pages).toBe(5)
    expect(seen).toHaveLength(27)
    expect(new Set(seen).size).toBe(27)
    if (order === 'newest') expect(seen).toEqual(history.reader.journal({ text: 'swap', limit: 100, beforeId: null }).entries.map(({ id }) => id))
  })
})

describe('notes', () => {
  test('are found from then on, and their old words are not', () => {
    const id = add(entry())
    expect(history.writer.setNote(id, 'helped on the laptop', null).ok).toBe(true)
    expect(titles('laptop')).toEqual(['There is no swap'])
    history.writer.setNote(id, 'did not help', null)
    expect(titles('laptop')).toEqual([])
    expect(history.reader.journalEntry(id)?.note).toBe('did not help')
    expect(history.reader.journalEntry(999)).toBeNull()
  })
})

test('totals count each run once, by what came of it in the end', () => {
  expect(history.reader.journalTotals()).toEqual({ entries: 0, tried: 0, helped: 0 })
  add(entry({ kind: 'action', solution: 'add-zram', runId: '20261120T140311Z-5b1c09de' }))
  expect(history.reader.journalTotals()).toEqual({ entries: 1, tried: 0, helped: 0 })
  add(outcome('1', { atMs: 2000 }))
  add(outcome('2', { atMs: 3000 }))
  add(outcome('2', { atMs: 9000, outcome: 'undone', title: 'undone' }))
  add(outcome('3', { atMs: 5000, outcome: 'no-gain', gainBytes: null }))
  expect(history.reader.journalTotals()).toEqual({ entries: 5, tried: 3, helped: 1 })
})

describe('what helped before', () => {
  test('is the last word of each run, newest first, with its gain', () => {
    add(entry({ kind: 'action', solution: 'add-zram', runId: '20261120T140311Z-5b1c09de', title: 'Tried' }))
    add(outcome('1', { atMs: 2000 }))
    add(outcome('1', { atMs: 9000, outcome: 'undone', title: 'undone' }))
    add(outcome('2', { atMs: 5000, outcome: 'no-gain', gainBytes: null }))
    add(outcome('3', { atMs: 6000, solution: 'other' }))
    const before = history.reader.outcomesOf('swap.none', 'add-zram', null, 10)
    expect(before.map(({ atMs, outcome: how, gainBytes }) => [atMs, how, gainBytes.value])).toEqual([[9000, 'undone', 1_200_000_000], [5000, 'no-gain', null]])
    expect(history.reader.outcomesOf('swap.none', 'add-zram', null, 1)).toHaveLength(1)
    expect(history.reader.outcomesOf('swap.none', 'nothing', null, 10)).toEqual([])
  })

  test('counts runs of its preset that were started elsewhere', () => {
    add(outcome('1', { rule: null, solution: null, presetId: 'more-agents' }))
    expect(history.reader.outcomesOf('swap.none', 'run-preset', 'more-agents', 10)).toHaveLength(1)
    expect(history.reader.outcomesOf('swap.none', 'run-preset', 'balanced', 10)).toHaveLength(0)
  })

  test('one end of one run is written once, whoever hears of it', () => {
    add(outcome('1'))
    expect(history.writer.addToJournal(outcome('1', { atMs: 7 }))).toEqual({ ok: true, value: null })
    expect(history.writer.addToJournal(outcome('1', { outcome: 'undone' })).ok).toBe(true)
    expect(titles('')).toHaveLength(2)
  })

  test('a run knows the finding it was started from', () => {
    add(entry({ kind: 'action', solution: 'add-zram', subject: '/x', runId: '20261120T140311Z-5b1c09de' }))
    expect(history.reader.originOf('20261120T140311Z-5b1c09de')).toEqual({ rule: 'swap.none', subject: '/x', solution: 'add-zram', presetId: null })
    expect(history.reader.originOf('20261120T140399Z-5b1c09de')).toBeNull()
  })
})

test('when something was last found is told of each subject', () => {
  add(entry({ atMs: 5, subject: '/a' }))
  add(entry({ atMs: 9, subject: '/a' }))
  add(entry({ atMs: 12, kind: 'note', subject: '/a' }))
  expect(history.reader.foundAtMs('swap.none', '/a')).toBe(9)
  expect(history.reader.foundAtMs('swap.none', '/b')).toBeNull()
})

describe('export and import', () => {
  test('another journal is merged; twice is once; a note comes to where there was none', () => {
    const mine = add(entry({ title: 'mine' }))
    const theirs = openHistoryInMemory({ code: 'internal', message: 'test' })
    theirs.writer.addToJournal(entry({ title: 'theirs', atMs: 3 }))
    theirs.writer.takeJournal(history.reader.journalAll())
    const file = theirs.reader.journalAll().map((one): JournalFileEntry => ({ ...one, note: 'from the other computer' }))
    theirs.close()
    expect(file.map(({ title }) => title)).toEqual(['theirs', 'mine'])
    expect(history.writer.takeJournal(file)).toEqual({ ok: true, value: { added: 1, known: 1 } })
    expect(history.writer.takeJournal(file)).toEqual({ ok: true, value: { added: 0, known: 2 } })
    expect(titles('other computer')).toEqual(['mine', 'theirs'])
    expect(history.reader.journalEntry(mine)?.note).toBe('from the other computer')
  })

  test('an own note is not written over', () => {
    const id = add(entry())
    history.writer.setNote(id, 'mine', null)
    history.writer.takeJournal(history.reader.journalAll().map((one) => ({ ...one, note: 'theirs' })))
    expect(history.reader.journalEntry(id)?.note).toBe('mine')
  })

  test('one entry that cannot be taken leaves the journal as it was', () => {
    const bad = { ...entry(), uuid: randomUUID(), note: '', kernelRelease: null } as unknown as JournalFileEntry
    expect(() => history.writer.takeJournal([{ ...entry(), uuid: randomUUID(), note: '' }, bad])).toThrow(/NOT NULL/u)
    expect(titles('')).toEqual([])
  })
})

test('old findings go; outcomes, notes and what has a note stay', () => {
  const old = { atMs: 1000 }
  add(entry({ ...old, title: 'goes' }))
  const noted = add(entry({ ...old, subject: '/n', title: 'noted' }))
  history.writer.setNote(noted, 'keep me', null)
  add(outcome('1', old))
  add(entry({ ...old, kind: 'note', rule: null, title: 'a note', note: 'x' }))
  add(entry({ atMs: 50 * DAY, title: 'new' }))
  expect(history.writer.prune(60 * DAY, 30).ok).toBe(true)
  expect(titles('')).toEqual(['new', 'a note', 'Compressed swap: kept', 'noted'])
  expect(titles('goes')).toEqual([])
})

test('ten thousand entries are searched at once', () => {
  history.writer.takeJournal(Array.from({ length: 10_000 }, (_, i): JournalFileEntry => ({ ...entry({ atMs: i, title: `Finding ${i}`, text: i % 100 === 0 ? 'zswap pool is full' : 'kswapd works' }), uuid: randomUUID(), note: '' })))
  expect(history.reader.journal({ text: 'zswap', limit: 500, beforeId: null }).entries).toHaveLength(100)
  expect(history.reader.journal({ text: 'kswapd', limit: 5, beforeId: null }).entries.map(({ atMs }) => atMs)).toEqual([9999, 9998, 9997, 9996, 9995])
})
