import { expect, test } from 'vitest'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { KeptFindings } from '../history/look-store.ts'
import type { Finding } from '../../contract/diagnosis.ts'
import { createRecall, movedSince, SEEN_FOR_MS } from './recall.ts'
import { healthyLooks } from './testing/healthy.ts'
import { lastOf } from './series.ts'

const NOW = 10_000_000
const found = (rule: string, subject = '', title = rule): Finding => ({ rule, subject, severity: 'warning', topic: 'pressure', title, explanation: 'e', figures: [], solutions: [], lookDeeper: [] })
const reader = (...rows: readonly KeptFindings[]) => ({
  findingsBetween: (fromMs: number, toMs: number): KeptFindings | null => rows.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).toSorted((a, b) => b.atMs - a.atMs)[0] ?? null,
})
const base = lastOf(healthyLooks())
const now = { ...base, takenAtMs: NOW, uptimeS: 86_400 }

test('goes back through what was kept to when it was last there', () => {
  const recall = createRecall(reader({ atMs: NOW - 10_000, findings: [found('b')] }, { atMs: NOW - 30_000, findings: [found('a', '', 'later'), found('a', 'x')] }, { atMs: NOW - 60_000, findings: [found('a', '', 'first')] }))
  expect(recall.seen('a', '', now)).toMatchObject({ atMs: NOW - 30_000, finding: { title: 'later' } })
  expect(recall.seen('a', 'x', now)).toMatchObject({ atMs: NOW - 30_000, finding: { subject: 'x' } })
  expect(recall.seen('c', '', now)).toBeNull()
})

test('what this program saw itself counts, unless another saw it later', () => {
  const recall = createRecall(reader({ atMs: NOW - 30_000, findings: [found('a', '', 'kept')] }))
  recall.note([found('a', '', 'noted')], NOW - 40_000)
  expect(recall.seen('a', '', now)?.finding.title).toBe('kept')
  recall.note([found('a', '', 'noted')], NOW - 20_000)
  recall.note([], NOW - 5_000)
  expect(recall.seen('a', '', now)).toMatchObject({ atMs: NOW - 20_000, finding: { title: 'noted' } })
})

test('stands for minutes, in this boot, and not from a time to come', () => {
  const at = (atMs: number, uptimeS = 86_400) => createRecall(reader({ atMs, findings: [found('a')] })).seen('a', '', { ...now, uptimeS })
  expect(at(NOW - SEEN_FOR_MS)).not.toBeNull()
  expect(at(NOW - SEEN_FOR_MS - 1)).toBeNull()
  expect(at(NOW - 60_000, 60)).not.toBeNull()
  expect(at(NOW - 60_001, 60)).toBeNull()
  expect(at(NOW + 1)).toBeNull()
  const noted = createRecall(reader())
  noted.note([found('a')], NOW + 1)
  expect(noted.seen('a', '', now)).toBeNull()
})

test('all that a rule found lately, each subject as it last was, the newest first', () => {
  const recall = createRecall(reader({ atMs: NOW - 10_000, findings: [found('b')] }, { atMs: NOW - 30_000, findings: [found('a', 'x', 'later'), found('a', 'y')] }, { atMs: NOW - 60_000, findings: [found('a', 'x', 'first'), found('a', 'z')] }, { atMs: NOW - SEEN_FOR_MS - 1, findings: [found('a', 'long ago')] }))
  const seen = (rule: string): string[] => recall.seenOf(rule, now).map(({ finding, atMs }) => `${finding.subject} ${finding.title} ${NOW - atMs}`)
  expect(seen('a')).toEqual(['x later 30000', 'y a 30000', 'z a 60000'])
  expect(seen('c')).toEqual([])
  recall.note([found('a', 'z', 'noted')], NOW - 20_000)
  expect(seen('a')).toEqual(['z noted 20000', 'x later 30000', 'y a 30000'])
})

test('names the setting that moved, and what was not looked at counts as moved', () => {
  const at = (atMs: number, changes: Partial<Evidence> = {}): Evidence => ({ ...base, takenAtMs: atMs, ...changes })
  const path = '/proc/sys/vm/watermark_scale_factor'
  const set = (value: string): Partial<Evidence> => ({ sysctl: { ...base.sysctl, [path]: { value } } })
  expect(movedSince([at(NOW - 60_000), at(NOW)], NOW - 40_000)).toBeNull()
  expect(movedSince([at(NOW - 60_000, set('10')), at(NOW, set('20'))], NOW - 40_000)).toEqual({ what: path, was: '10', is: '20' })
  // What it is compared with is the look it was made from: what came and went before and after is nothing to it.
  expect(movedSince([at(NOW - 90_000, set('5')), at(NOW - 60_000, set('10')), at(NOW - 20_000, set('20')), at(NOW, set('10'))], NOW - 40_000)).toBeNull()
  expect(movedSince([at(NOW - 60_000), at(NOW, { swapDevices: [{ path: '/dev/new', kind: 'file', sizeBytes: 4096, usedBytes: 0, priority: 1 }] })], NOW - 40_000)?.what).toBe('/proc/swaps')
  // How full swap is, is no setting.
  const used = (usedBytes: number): Partial<Evidence> => ({ swapDevices: [{ path: '/dev/zram0', kind: 'zram', sizeBytes: 1 << 30, usedBytes, priority: 1 }] })
  expect(movedSince([at(NOW - 60_000, used(1)), at(NOW, used(2))], NOW - 40_000)).toBeNull()
  // The first look kept is a little later than what was found: better than none.
  expect(movedSince([at(NOW - 30_000), at(NOW)], NOW - 40_000)).toBeNull()
  expect(movedSince([at(NOW)], NOW - 40_000)).not.toBeNull()
})
