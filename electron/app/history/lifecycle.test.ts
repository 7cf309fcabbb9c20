import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LifecycleEvent, Transition } from '../../../helper/contract/lifecycle.ts'
import { sampleEvent, sampleResumed, sampleSuspension } from '../lifecycle/sample.ts'
import { sampleAgent } from '../report/sample.ts'
import { createLifecycleStore } from './lifecycle.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations/all.ts'
import { openHistoryInMemory } from './open.ts'
import type { History } from './types.ts'

const agent = sampleAgent({ kind: 'claude-code', title: 'Claude Code', name: 'web-shop', pid: 100, folder: '/p', anonMib: 300, fileMib: 40 })
const other = sampleAgent({ kind: 'codex', title: 'Codex', name: 'ledger', pid: 200, folder: '/q', anonMib: 50, fileMib: 40 })
const ALL = { fromMs: 0, toMs: 9_000_000 }

let history: History
beforeEach(() => { history = openHistoryInMemory({ code: 'internal', message: 'test' }) })
afterEach(() => history.close())

const change = (seq: number, from: Transition['from'], to: Transition['to'], changes: Partial<Transition> = {}, of = agent): LifecycleEvent =>
  sampleEvent(seq, of, { transition: { atMs: 1_000_000 + seq * 1000, from, to, cause: 'evidence', text: `${from} to ${to}`, ...changes } })
const suspended = (seq: number): LifecycleEvent =>
  ({ ...change(seq, 'idle', 'suspended', { cause: 'policy' }), suspension: sampleSuspension(agent, { sinceMs: 1_000_000 + seq * 1000 }) })
const resumed = (seq: number): LifecycleEvent =>
  ({ ...change(seq, 'suspended', 'active', { cause: 'key', text: 'a key was typed' }), resumed: sampleResumed(agent) })
const day: readonly LifecycleEvent[] = [change(1, null, 'active', { cause: 'discovered' }), change(2, 'active', 'idle'), suspended(3), resumed(4), change(5, 'active', 'idle')]
const texts = (): string[] => history.reader.events({ ...ALL, limit: 100 }).map((event) => event.text).toReversed()

describe('taking in what was spooled', () => {
  test('a day of one agent is its timeline, with what the suspend won', () => {
    expect(history.writer.takeLifecycle('a', day, 5)).toEqual({ ok: true, value: 5 })
    const timeline = history.reader.timeline(agent.id, ALL)
    expect(timeline.transitions).toEqual(day.map((event) => event.transition))
    expect(timeline.suspensions).toEqual([{ suspension: day[2]?.suspension, resumed: sampleResumed(agent) }])
    expect(history.reader.timeline(other.id, ALL)).toEqual({ transitions: [], suspensions: [] })
  })

  test('the list of events has the suspend and the waking, not every look of idleness', () => {
    history.writer.takeLifecycle('a', day, 5)
    expect(texts()).toEqual([expect.stringMatching(/^Claude Code in web-shop was suspended, which won 238 MB$/u), 'Claude Code in web-shop runs again: a key was typed'])
    expect(history.reader.events({ ...ALL, limit: 9 }).map((event) => event.kind)).toEqual(['agent-resumed', 'agent-suspended'])
  })

  test('the same lines twice, in pages that overlap and out of order, are there once', () => {
    history.writer.takeLifecycle('a', day.slice(0, 3), 5)
    expect(history.writer.takeLifecycle('a', day.toReversed(), 6)).toEqual({ ok: true, value: 2 })
    expect(history.writer.takeLifecycle('a', day, 7)).toEqual({ ok: true, value: 0 })
    expect(history.reader.afterSeq('a')).toBe(5)
    expect(history.reader.timeline(agent.id, ALL).transitions).toHaveLength(5)
    expect(history.reader.timeline(agent.id, ALL).suspensions).toHaveLength(1)
    expect(texts()).toHaveLength(2)
  })

  test('numbers of another spool are other lines', () => {
    history.writer.takeLifecycle('a', day.slice(0, 2), 5)
    expect(history.writer.takeLifecycle('b', [change(1, 'idle', 'active', { atMs: 1_500_000 })], 6)).toEqual({ ok: true, value: 1 })
    expect(history.reader.afterSeq('b')).toBe(1)
    expect(history.reader.afterSeq('a')).toBe(2)
    expect(history.reader.timeline(agent.id, ALL).transitions.map((one) => one.to)).toEqual(['active', 'idle', 'active'])
  })

  test('a gap is said and gone past; the first line of an unknown spool is none', () => {
    history.writer.takeLifecycle('a', [change(7, 'active', 'idle')], 5)
    expect(texts()).toEqual([])
    history.writer.takeLifecycle('a', [change(11, 'idle', 'active')], 6)
    expect(texts()).toEqual(['3 entries about agents were dropped before the history could take them in'])
    expect(history.reader.afterSeq('a')).toBe(11)
  })

  test('limits, reaped orphans and fixes are told by their own kind, an end while suspended too', () => {
    history.writer.takeLifecycle('a', [
      sampleEvent(1, agent, { text: 'memory.high is 1.0 GB', topic: 'limit' }),
      sampleEvent(2, null, { text: 'Ended gopls', topic: 'reaped' }),
      sampleEvent(3, null, { text: 'Hooks of Claude Code were written', topic: 'fix' }),
      change(4, 'suspended', 'gone', { cause: 'ended', text: 'it ended' }),
      change(5, 'idle', 'gone', { cause: 'ended', text: 'it ended' }, other),
    ], 5)
    const events = history.reader.events({ ...ALL, limit: 9 }).toReversed()
    expect(events.map(({ kind }) => kind)).toEqual(['limit', 'reaped', 'fix', 'agent-state'])
    expect(events[3]?.text).toBe('Claude Code in web-shop went from suspended to gone: it ended')
  })

  test('a waking without its suspend is told and changes nothing else', () => {
    history.writer.takeLifecycle('a', [suspended(1), resumed(2), resumed(3)], 5)
    expect(history.reader.timeline(agent.id, ALL).suspensions).toHaveLength(1)
    expect(texts()).toHaveLength(3)
  })
})

describe('reading a part', () => {
  test('begins with the state of before, so that a band can be drawn from the left edge', () => {
    history.writer.takeLifecycle('a', day, 5)
    const { transitions, suspensions } = history.reader.timeline(agent.id, { fromMs: 1_003_500, toMs: 1_004_500 })
    expect(transitions.map((one) => one.to)).toEqual(['suspended', 'active'])
    expect(suspensions).toHaveLength(1)
    expect(history.reader.timeline(agent.id, { fromMs: 1_004_500, toMs: 1_004_600 })).toMatchObject({ transitions: [{ to: 'active' }], suspensions: [] })
  })

  test('finds the suspensions of all agents in a time, the one that lasts too', () => {
    history.writer.takeLifecycle('a', [suspended(1), resumed(2), suspended(3)], 5)
    expect(history.reader.suspensions(ALL).map((one) => one.resumed === null)).toEqual([false, true])
    expect(history.reader.suspensions({ fromMs: 1_005_000, toMs: 9_000_000 }).map((one) => one.resumed)).toEqual([null])
    expect(history.reader.suspensions({ fromMs: 0, toMs: 1_000_500 })).toEqual([])
  })
})

describe("the guard's words", () => {
  const word = (atMs: number, text: string) => ({ atMs, what: 'pressure' as const, text, runId: null, agentId: null, uid: null })

  test('are shown once, old ones never, and are events', () => {
    history.writer.takeLifecycle('a', [sampleEvent(1, null, { word: word(10, 'long ago') }), sampleEvent(2, null, { word: word(5_000, 'now') })], 5)
    expect(history.reader.hasUntoldWords(1_000)).toBe(true)
    expect(history.writer.tellWords(1_000)).toEqual({ ok: true, value: [word(5_000, 'now')] })
    expect(history.reader.hasUntoldWords(1_000)).toBe(false)
    expect(history.writer.tellWords(1_000)).toEqual({ ok: true, value: [] })
    expect(history.reader.events({ ...ALL, limit: 9 }).map(({ kind }) => kind)).toEqual(['guard', 'guard'])
  })
})

test('that a key woke an agent is one line, not two', () => {
  const woke = sampleEvent(2, agent, { word: { atMs: 1_002_000, what: 'woke', text: 'woke it by a key', runId: null, agentId: agent.id, uid: 1000 }, text: 'woke it by a key' })
  history.writer.takeLifecycle('a', [suspended(1), woke, resumed(3)], 5)
  expect(history.reader.events({ ...ALL, limit: 9 }).map(({ kind }) => kind)).toEqual(['agent-resumed', 'agent-suspended'])
})

describe('bounds', () => {
  test('what is older than the days of history goes', () => {
    history.writer.takeLifecycle('a', [...day, sampleEvent(6, null, { word: { atMs: 1_006_000, what: 'stuck', text: 'x', runId: null, agentId: null, uid: null } })], 5)
    expect(history.writer.prune(1_004_500 + 86_400_000, 1).ok).toBe(true)
    expect(history.reader.timeline(agent.id, ALL).transitions.map((one) => one.atMs)).toEqual([1_005_000])
    expect(history.reader.suspensions(ALL)).toEqual([])
    expect(history.reader.hasUntoldWords(0)).toBe(true)
    history.writer.prune(Date.now(), 1)
    expect(history.reader.timeline(agent.id, ALL).transitions).toEqual([])
    expect(history.reader.hasUntoldWords(0)).toBe(false)
  })

  test('of changes of state only so many stay, the newest', () => {
    const db = new Database(':memory:')
    migrate(db, migrations)
    const store = createLifecycleStore(db, () => {}, 3)
    store.take('a', day, 5)
    store.prune(0)
    expect(store.timeline(agent.id, 0, 9_000_000).transitions.map((one) => one.atMs)).toEqual([1_003_000, 1_004_000, 1_005_000])
    db.close()
  })
})

test('a history of the version before keeps what it has and takes in the new', () => {
  const db = new Database(':memory:')
  migrate(db, migrations.slice(0, 1))
  db.prepare("INSERT INTO event (at_ms, kind, text, run_id, agent_id) VALUES (5, 'helper', 'ready', NULL, NULL)").run()
  migrate(db, migrations)
  expect(db.prepare('SELECT text FROM event').pluck().all()).toEqual(['ready'])
  const store = createLifecycleStore(db, () => {})
  expect(store.take('a', day, 5)).toBe(5)
  db.close()
})
