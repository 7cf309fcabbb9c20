import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lifecycleEventSchema, registryEntrySchema, type LifecycleEvent } from '../../contract/lifecycle.ts'
import { known } from '../../contract/known.ts'
import type { Activity } from '../../contract/lifecycle.ts'
import { createRegistry, launchedBy, type Registry } from './registry.ts'
import { createRegistryStore, type Kept } from './store.ts'
import { busyWith, idleFor, madeAgent, madeSuspension } from './testing.ts'

const NOTHING: Kept = { projects: [], agents: [], lastWordMs: 0 }

let nowMs = 1_000_000
let events: Omit<LifecycleEvent, 'seq'>[] = []
const make = (kept = NOTHING): Registry => createRegistry({ kept, nowMs: () => nowMs, foundBy: () => 'discovered', onEvent: (event) => { events.push(event) } })
const one = madeAgent(10)
const look = (registry: Registry, activity: Activity, agent = one): void => registry.take([agent], new Map([[agent.id, activity]]))
const entryOf = (registry: Registry) => registryEntrySchema.parse(registry.get(one.id)?.entry)

beforeEach(() => {
  nowMs = 1_000_000
  events = []
})

describe('states of an agent', () => {
  it('appears, rests, works again and ends, each with cause and time', () => {
    const registry = make()
    look(registry, busyWith('not-measured'))
    nowMs += 10_000
    look(registry, idleFor(9_000))
    nowMs += 10_000
    look(registry, busyWith('cpu', '3.0 s of CPU time in 10 s'))
    nowMs += 10_000
    registry.take([], new Map())
    expect(entryOf(registry)).toMatchObject({ state: 'gone', stateSinceMs: 1_030_000 })
    expect(entryOf(registry).transitions).toEqual([
      { atMs: 1_000_000, from: null, to: 'active', cause: 'discovered', text: 'found among the processes' },
      { atMs: 1_010_000, from: 'active', to: 'idle', cause: 'evidence', text: 'nothing to do for 9 s' },
      { atMs: 1_020_000, from: 'idle', to: 'active', cause: 'evidence', text: '3.0 s of CPU time in 10 s' },
      { atMs: 1_030_000, from: 'active', to: 'gone', cause: 'ended', text: 'its process ended' },
    ])
    expect(events.map((event, index) => lifecycleEventSchema.safeParse({ seq: index + 1, ...event }).error)).toEqual([undefined, undefined, undefined, undefined])
    nowMs += 6 * 60_000
    registry.take([], new Map())
    expect(registry.get(one.id)).toBeNull()
  })

  it('rests when only a pin keeps it from being suspended', () => {
    const registry = make()
    look(registry, { ...idleFor(60_000), idle: false, reasons: [{ reason: 'pinned', text: 'pinned by you' }] })
    expect(entryOf(registry).state).toBe('idle')
    look(registry, { ...idleFor(60_000), idle: false, reasons: [{ reason: 'pinned', text: 'pinned by you' }, { reason: 'hook', text: 'its hook says that it works' }] })
    expect(entryOf(registry).state).toBe('active')
  })

  it('stays suspended whatever the evidence says, until it is thawed', () => {
    const registry = make()
    look(registry, idleFor(600_000))
    registry.suspended(madeSuspension(one.id, nowMs))
    look(registry, busyWith('cpu'))
    expect(entryOf(registry)).toMatchObject({ state: 'suspended', suspendsAtMs: null })
    expect(events.at(-1)).toMatchObject({ suspension: { wonBytes: 100 * 1024 * 1024 }, transition: { to: 'suspended', cause: 'policy', text: '100 MiB won' } })
    nowMs += 5_000
    registry.resumed({ agentId: one.id, cause: 'key', suspendedForMs: 5_000, prefaultedBytes: 0, tookMs: 20 }, 'A key was typed.')
    expect(entryOf(registry)).toMatchObject({ state: 'active', suspension: null })
    expect(registry.get(one.id)?.lastWakeMs).toBe(nowMs)
    expect(events.at(-1)).toMatchObject({ resumed: { cause: 'key' }, transition: { from: 'suspended', to: 'active' } })
  })

  it('says when its user stopped it in the terminal', () => {
    const registry = make()
    look(registry, idleFor(60_000), { ...one, state: 'suspended' })
    expect(entryOf(registry)).toMatchObject({ state: 'suspended', suspension: null })
    expect(events.at(-1)?.text).toBe('stopped in its terminal')
  })
})

describe('what the user said', () => {
  it('is kept for later agents of that kind in that folder, and changes no other that runs', () => {
    const registry = make()
    const folder = one.projectFolder
    const twin = madeAgent(11, { projectFolder: folder })
    registry.take([one, twin], new Map())
    expect(registry.set({ id: one.id, importance: 80, pinned: true, trustDomain: 'work' })).toMatchObject({ ok: true, value: { importance: 80, pinned: true, trustDomain: 'work' } })
    expect(registry.get(twin.id)?.entry).toMatchObject({ importance: 50, pinned: false })
    const later = make({ ...registry.kept(), lastWordMs: 0 })
    const next = madeAgent(12, { projectFolder: folder })
    const elsewhere = madeAgent(13)
    later.take([next, elsewhere], new Map())
    expect(later.get(next.id)?.entry).toMatchObject({ importance: 80, pinned: true, trustDomain: 'work' })
    expect(later.get(elsewhere.id)?.entry).toMatchObject({ importance: 50, pinned: false, trustDomain: 'default' })
  })

  it('cannot be said of one that is gone', () => {
    const registry = make()
    registry.take([one], new Map())
    registry.take([], new Map())
    expect(registry.set({ id: one.id, pinned: true })).toMatchObject({ ok: false, error: { code: 'process-gone' } })
    expect(registry.target(one.id)).toMatchObject({ ok: false, error: { code: 'process-gone' } })
  })
})

describe('a restarted session role', () => {
  it('goes on with states, times and suspensions, and does not tell them again', () => {
    const before = make()
    look(before, idleFor(600_000))
    before.suspended(madeSuspension(one.id, nowMs))
    const kept = { ...before.kept(), lastWordMs: 7 }
    events = []
    nowMs += 60_000
    const after = make(kept)
    look(after, busyWith('not-measured'))
    after.suspended(madeSuspension(one.id, 1_000_000))
    expect(events).toEqual([])
    expect(entryOf(after)).toMatchObject({ state: 'suspended', stateSinceMs: 1_000_000, suspension: { sinceMs: 1_000_000 } })
  })
})

describe('how an agent was found', () => {
  it('launched: by its own scope or by merging; the environment is not looked at', () => {
    expect(launchedBy(one, null)).toBe('discovered')
    expect(launchedBy(one, false)).toBe('discovered')
    expect(launchedBy(one, true)).toBe('launched')
    const scope = '/user.slice/user-1000.slice/user@1000.service/app.slice/app-agents.slice/agent-10-1000.scope'
    expect(launchedBy({ ...one, cgroup: known(`${scope}/main`) }, null)).toBe('launched')
    expect(launchedBy({ ...one, cgroup: known('/user.slice/agent-10-1000.scope') }, null)).toBe('discovered')
  })
})

describe('registry.json', () => {
  let folder = ''
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'agentmem-registry-')) })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('comes back as it was written, and is for its user alone', () => {
    const registry = make()
    look(registry, idleFor(600_000))
    registry.suspended(madeSuspension(one.id, nowMs))
    registry.set({ id: one.id, importance: 10 })
    const store = createRegistryStore(join(folder, 'state', 'registry.json'))
    const kept = { ...registry.kept(), lastWordMs: 5 }
    expect(store.save(kept)).toEqual({ ok: true, value: null })
    expect(statSync(join(folder, 'state', 'registry.json')).mode & 0o777).toBe(0o600)
    expect(store.load()).toEqual({ kept, problem: null })
  })

  it('keeps no more than its bounds, the newest first', () => {
    const store = createRegistryStore(join(folder, 'registry.json'))
    const projects = Array.from({ length: 700 }, (_, index) => ({ kind: 'claude-code', folder: `/p/${index}`, importance: 50, pinned: false, trustDomain: 'default', savedAtMs: index }))
    store.save({ projects, agents: [], lastWordMs: 0 })
    const { kept } = store.load()
    expect(kept.projects).toHaveLength(500)
    expect(kept.projects[0]?.folder).toBe('/p/699')
  })

  it('that is damaged is told, and nothing of it is used', () => {
    const path = join(folder, 'registry.json')
    for (const text of ['{"version":1,', '{"version":2,"projects":[],"agents":[],"lastWordMs":0}']) {
      writeFileSync(path, text)
      const { kept, problem } = createRegistryStore(path).load()
      expect(kept).toEqual(NOTHING)
      expect(problem?.message).toContain(path)
    }
    expect(readFileSync(path, 'utf8')).toContain('"version":2')
  })
})
