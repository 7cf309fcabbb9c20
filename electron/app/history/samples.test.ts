import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHistory } from './open.ts'
import { agentSeriesId, type AgentSample, type History, type MachineSample } from './types.ts'

const MIB = 1024 * 1024
const T0 = 1_700_000_100_000 // a whole 5 minutes
const agent: AgentSample = { id: '00000000-0000-0000-0000-000000000001:7:8', kind: 'x', title: 'Claude Code', name: 'web-shop', costBytes: 100 * MIB }
const quiet: MachineSample = { availableBytes: 900 * MIB, agentsCostBytes: 300 * MIB, compressedBytes: 0, freeBytes: 500 * MIB, pressurePercent: 0, cacheBytes: 1, swapUsedBytes: null }

let folder = ''
let history: History
const path = (): string => join(folder, 'history.db')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-samples-'))
  const opened = openHistory(path())
  if (!opened.ok) throw new Error(opened.error.message)
  history = opened.value
})
afterEach(() => {
  history.close()
  rmSync(folder, { recursive: true, force: true })
})

const add = (second: number, machine: Partial<MachineSample> = {}, agents: readonly AgentSample[] = []): void => {
  const stored = history.writer.addSamples(T0 + second * 1000, { ...quiet, ...machine }, agents)
  if (!stored.ok) throw new Error(stored.error.message)
}
const rollUp = (second: number): void => void history.writer.rollUp(T0 + second * 1000)
const read = (from: number, to: number, series: string, maxPoints = 4000) => {
  const answer = history.reader.series({ fromMs: T0 + from * 1000, toMs: T0 + to * 1000, series: [series], maxPoints })
  return { resolutionMs: answer.resolutionMs, atMs: answer.atMs, values: answer.series[0]?.values ?? [], label: answer.series[0]?.label, unit: answer.series[0]?.unit }
}
const count = (table: string): number => {
  const db = new Database(path(), { readonly: true })
  const n = Number(db.prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get())
  db.close()
  return n
}

test('seconds come back as they were, with their unit and label', () => {
  add(0, { availableBytes: 5 * MIB, pressurePercent: 1.25 })
  add(1, { availableBytes: 7 * MIB, pressurePercent: 0 }, [agent])
  expect(read(0, 2, 'machine.available')).toEqual({ resolutionMs: 1000, atMs: [T0, T0 + 1000], values: [5 * MIB, 7 * MIB], label: 'Available', unit: 'bytes' })
  expect(read(0, 2, 'machine.pressure')).toMatchObject({ values: [1.25, 0], unit: 'percent' })
  expect(read(0, 2, agentSeriesId(agent.id))).toMatchObject({ values: [null, 100 * MIB], label: 'web-shop (Claude Code)' })
  expect(history.reader.agentSeries(agent.id, { fromMs: T0, toMs: T0 + 2000, maxPoints: 10 }).series[0]?.values).toEqual([null, 100 * MIB])
})

test('missing is a gap, not a zero: short silences are held, longer ones are null', () => {
  add(0)
  add(2) // one second skipped by a late timer
  add(40)
  const { values } = read(0, 41, 'machine.available')
  expect(values.slice(0, 15)).toEqual(Array.from({ length: 15 }, () => 900 * MIB))
  expect(values.slice(15, 40)).toEqual(Array.from({ length: 25 }, () => null))
  expect(values[40]).toBe(900 * MIB)
  expect(read(0, 41, 'machine.swap').values.every((value) => value === null)).toBe(true)
  expect(read(0, 41, 'agent:nobody').values.every((value) => value === null)).toBe(true)
})

test('an agent looked at every ten seconds is a line, not dots', () => {
  for (let s = 0; s < 60; s += 10) add(s, {}, [agent])
  expect(read(0, 60, agentSeriesId(agent.id)).values).toEqual(Array.from({ length: 60 }, () => 100 * MIB))
  expect(read(0, 200, agentSeriesId(agent.id)).values.slice(141)).toEqual(Array.from({ length: 59 }, () => null))
})

test('a step keeps the least available, the most pressure and the mean cost', () => {
  for (let s = 0; s < 600; s += 1) add(s, { availableBytes: (s === 123 ? 64 : 900) * MIB, pressurePercent: s === 124 ? 40 : 0, agentsCostBytes: (s % 2) * 100 * MIB })
  for (const rolled of [false, true]) {
    if (rolled) rollUp(610)
    const least = read(0, 600, 'machine.available', 10)
    expect(least).toMatchObject({ resolutionMs: 60_000 })
    expect(least.values).toEqual([900, 900, 64, 900, 900, 900, 900, 900, 900, 900].map((v) => v * MIB))
    expect(read(0, 600, 'machine.pressure', 10).values).toEqual([0, 0, 40, 0, 0, 0, 0, 0, 0, 0])
    expect(read(0, 600, 'machine.agents', 10).values).toEqual(Array.from({ length: 10 }, () => 50 * MIB))
  }
})

test('levels roll up, finer ones are dropped, and any range still reads the same mean', () => {
  const hours = 26
  for (let s = 0; s < hours * 3600; s += 5) {
    add(s, { agentsCostBytes: Math.floor(s / 300) * MIB })
    if (s % 60 === 0) rollUp(s)
  }
  const end = hours * 3600
  rollUp(end)
  const series = 6 // swap is never known
  expect(count('sample_1s')).toBeLessThanOrEqual(series * ((12 * 60 + 300 + 60) / 5))
  expect(count('sample_10s')).toBeLessThanOrEqual(series * ((24 * 3600 + 15 * 60 + 600) / 10))
  expect(count('sample_5min')).toBeGreaterThanOrEqual(series * (hours * 12 - 1))
  const expected = Array.from({ length: hours * 12 - 1 }, (_, i) => i * MIB)
  expect(read(0, end - 300, 'machine.agents', 4000)).toMatchObject({ resolutionMs: 300_000, values: expected })
  expect(read(end - 600, end, 'machine.agents', 600)).toMatchObject({ resolutionMs: 1000 })
  const day = read(end - 86_400, end, 'machine.agents', 2000)
  expect(day.resolutionMs).toBe(50_000)
  expect(day.values.length).toBeLessThanOrEqual(2000)
  expect(day.values.every((value) => value !== null)).toBe(true)
  // An hour of yesterday morning: seconds and tens are gone, 5 minutes answer.
  expect(read(0, 3600, 'machine.agents', 3600)).toMatchObject({ resolutionMs: 300_000 })
})

test('what is not rolled up yet is taken from the finer level', () => {
  for (let s = 0; s < 900; s += 1) {
    add(s)
    if (s % 60 === 0) rollUp(s)
  }
  expect(read(0, 900, 'machine.available', 90).values).toEqual(Array.from({ length: 90 }, () => 900 * MIB))
  expect(read(0, 900, 'machine.available', 3).values).toEqual(Array.from({ length: 3 }, () => 900 * MIB))
})

test('never more points than asked for', () => {
  add(0)
  for (const [from, to, max] of [[3, 7777, 10], [1, 86_399, 333], [299, 90 * 86_400, 1000], [0, 11, 10]] as const) {
    expect(read(from, to, 'machine.free', max).values.length).toBeLessThanOrEqual(max)
  }
})

test('a clock set back is summed up again instead of hidden', () => {
  for (let s = 0; s < 900; s += 1) add(s, { agentsCostBytes: 10 * MIB })
  rollUp(900)
  for (let s = 300; s < 600; s += 1) add(s, { agentsCostBytes: 20 * MIB })
  rollUp(600)
  expect(read(0, 900, 'machine.agents', 3).values).toEqual([10 * MIB, 20 * MIB, 10 * MIB])
})

test('a second look in the same second replaces the first', () => {
  add(0, { freeBytes: 1 * MIB })
  add(0.4, { freeBytes: 2 * MIB })
  expect(read(0, 1, 'machine.free').values).toEqual([2 * MIB])
})

test('pruning ends history at the setting and forgets agents of long ago', () => {
  add(0, {}, [agent])
  rollUp(400)
  add(10 * 86_400)
  rollUp(10 * 86_400 + 400)
  history.close()
  const opened = openHistory(path())
  if (!opened.ok) throw new Error(opened.error.message)
  history = opened.value
  expect(history.writer.prune(T0 + 11 * 86_400_000, 2)).toEqual({ ok: true, value: undefined })
  expect(count('sample_5min')).toBe(6)
  expect(count('series')).toBe(6)
})
