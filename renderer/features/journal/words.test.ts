import { expect, test } from 'vitest'
import type { JournalEntry } from '../../../electron/contract/diagnosis.ts'
import { byDay, gainWords, runOf } from './words.ts'

const entry = (id: number, changes: Partial<JournalEntry> = {}): JournalEntry => ({ id, atMs: id * 10, kind: 'outcome', rule: null, solution: null, runId: null, title: '', text: '', note: '', outcome: 'kept', gainBytes: { value: 3 * 1024 ** 3 }, kernelRelease: '', ...changes })

test('entries stand by day in the order they come', () => {
  const days = byDay([entry(5), entry(4), entry(2), entry(1)], (atMs) => (atMs >= 30 ? 'today' : 'before'))
  expect(days.map(({ day, entries }) => [day, entries.map(({ id }) => id)])).toEqual([['today', [5, 4]], ['before', [2, 1]]])
  expect(byDay([], () => '')).toEqual([])
})

test.each<[Partial<JournalEntry>, string]>([
  [{}, '3.0\u00a0GB won'],
  [{ outcome: 'undone', gainBytes: { value: -5 * 1024 ** 2 } }, '5\u00a0MB lost'],
  [{ outcome: 'no-gain' }, ''],
  [{ outcome: 'failed' }, ''],
  [{ gainBytes: { value: null, reason: 'not-measured' } }, ''],
])('%j says "%s"', (changes, words) => expect(gainWords(entry(1, changes))).toBe(words))

test('only a run has a page of its own to show', () => {
  expect(runOf({ runId: '20261118T081500Z-0a1b2c3d' })).toBe('20261118T081500Z-0a1b2c3d')
  for (const runId of [null, 'sweep-1-2', 'limit-5-100:99']) expect(runOf({ runId })).toBeNull()
})
