import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHistory } from '../history/open.ts'
import { agentSeriesId, processOfSeries, processSeriesId, type History } from '../history/types.ts'
import { createLeakWatch, growthsSince, leaksSince } from './growth.ts'

const MB = 1024 ** 2
const BOOT = '00000000-0000-4000-8000-000000000001'
const AGENT = `${BOOT}:40:77`
const T0 = 1_700_000_100_000
const MINUTE_MS = 60_000
const limits = { bytesPerHour: 10 * MB, percentPerHour: 10 }
const quiet = { availableBytes: 1, agentsCostBytes: 1, compressedBytes: 0, freeBytes: 1, pressurePercent: 0, cacheBytes: 1, swapUsedBytes: null }

let folder = ''
let history: History

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-growth-'))
  const opened = openHistory(join(folder, 'history.db'))
  if (!opened.ok) throw new Error(opened.error.message)
  history = opened.value
})
afterEach(() => {
  history.close()
  rmSync(folder, { recursive: true, force: true })
})

const record = (minutes: number): void => {
  const agent = { id: AGENT, kind: 'claude-code', title: 'Claude Code', name: 'web-shop', costBytes: 300 * MB }
  for (let at = 0; at <= minutes; at += 1) {
    const stored = history.writer.addSamples(T0 + at * MINUTE_MS, quiet, [agent], [
      { id: processSeriesId(BOOT, { pid: 41, startTimeTicks: 80 }, AGENT), label: 'notes MCP server (Claude Code)', bytes: 50 * MB + at * MB },
      { id: processSeriesId(BOOT, { pid: 99, startTimeTicks: 81 }, null), label: 'gopls', bytes: 400 * MB },
    ])
    if (!stored.ok) throw new Error(stored.error.message)
    if (at % 5 === 0) history.writer.rollUp(T0 + at * MINUTE_MS)
  }
}

test('who grows is found in what history kept, seconds and roll-ups alike', () => {
  record(300)
  const leaks = leaksSince(history.reader, T0, T0 + 300 * MINUTE_MS, limits)
  expect(leaks.map(({ subject, verdict }) => ({ subject, verdict }))).toEqual([
    { subject: { of: 'process', pid: 41, startTicks: 80, agentId: AGENT, title: 'notes MCP server (Claude Code)' }, verdict: 'leak' },
    { subject: { of: 'agent', agentId: AGENT, title: 'web-shop (Claude Code)' }, verdict: 'steady' },
    { subject: { of: 'process', pid: 99, startTicks: 81, agentId: null, title: 'gopls' }, verdict: 'steady' },
  ])
  expect((leaks[0]?.bytesPerHour ?? 0) / MB).toBeGreaterThan(55)
  expect((leaks[0]?.bytesPerHour ?? 0) / MB).toBeLessThan(65)
})

test('an answer is used again for as long as asked, and not once the clock was set back', () => {
  record(300)
  let atMs = T0 + 100 * MINUTE_MS
  const watch = createLeakWatch(history.reader, () => atMs, limits)
  const first = watch(MINUTE_MS)
  atMs += MINUTE_MS
  expect(watch(MINUTE_MS)).toBe(first)
  expect(watch(MINUTE_MS - 1)).not.toBe(first)
  const second = watch(MINUTE_MS)
  atMs -= 1
  expect(watch(MINUTE_MS)).not.toBe(second)
})

test('who was not seen since is left out', () => {
  record(30)
  expect(growthsSince(history.reader, T0, T0 + 30 * MINUTE_MS)).toHaveLength(3)
  expect(growthsSince(history.reader, T0 + 24 * 60 * MINUTE_MS, T0 + 25 * 60 * MINUTE_MS)).toEqual([])
})

test('an id says which process it is, and nothing else does', () => {
  expect(processOfSeries(processSeriesId(BOOT, { pid: 7, startTimeTicks: 8 }, null))).toEqual({ pid: 7, startTicks: 8, agentId: null })
  expect(processOfSeries(agentSeriesId(AGENT))).toBeNull()
  expect(processOfSeries('machine.free')).toBeNull()
})
