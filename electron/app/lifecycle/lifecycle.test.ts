import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { LifecycleEvent } from '../../../helper/contract/lifecycle.ts'
import { sessionRequests, type Registry, type SessionMethod } from '../../../helper/contract/requests.ts'
import { timeoutOf, type SessionClient } from '../helper-client/session-client.ts'
import { openHistoryInMemory } from '../history/open.ts'
import { sampleAgent } from '../report/sample.ts'
import { createLifecycle } from './lifecycle.ts'
import { sampleEntry, sampleEvent, sampleRegistry, sampleSuspension } from './sample.ts'
import { suspendedWon, withRegistry, withSuspended } from './states.ts'

const MIB = 1024 * 1024
const agent = sampleAgent({ kind: 'claude-code', title: 'Claude Code', name: 'web-shop', pid: 100, folder: '/p', anonMib: 300, fileMib: 0 })
const ALL = { fromMs: 0, toMs: 9e12 }

/** A session role that spools, and rolls its spool over when told to. */
const fakeSession = () => {
  let spool = 'one'
  let events: LifecycleEvent[] = []
  let registry: Result<Registry> = ok(sampleRegistry([sampleEntry(agent)]))
  const asked: [SessionMethod, unknown][] = []
  const answers: Partial<Record<SessionMethod, (request: never) => unknown>> = {
    Registry: () => registry,
    Events: ({ afterSeq, limit }: { afterSeq: number; limit: number }) => ok({ spool, events: events.filter((event) => event.seq > afterSeq).slice(0, limit) }),
    SetAgent: () => ok(sampleEntry(agent, { pinned: true })),
    Suspend: () => fail('not-supported', 'There is no swap to go to.'),
  }
  const call = (async (method: SessionMethod, request: unknown) => {
    asked.push([method, request])
    expect(sessionRequests[method].request.safeParse(request).success).toBe(true)
    return answers[method]?.(request as never) ?? fail('too-old', `${method}?`)
  }) as SessionClient['call']
  return {
    call,
    asked,
    spoolLines: (count: number) => { events = Array.from({ length: count }, (_, i) => sampleEvent(i + 1, agent, { transition: { atMs: 1_000 + i, from: 'idle', to: 'active', cause: 'evidence', text: '' } })) },
    beginAnew: (name: string) => { spool = name },
    fails: () => { registry = fail('helper-gone', 'It ended.') },
  }
}

let session: ReturnType<typeof fakeSession>
const history = () => openHistoryInMemory({ code: 'internal', message: 'test' })
beforeEach(() => { session = fakeSession() })

describe('looking', () => {
  it('reads the registry, tells it, and takes in every page of what was spooled', async () => {
    const stored = history()
    const onRegistry = vi.fn()
    const lifecycle = createLifecycle({ session, history: stored, onRegistry, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 })
    session.spoolLines(1_201)
    expect(lifecycle.registry()).toBeNull()
    expect(await lifecycle.look()).toMatchObject({ ok: true })
    expect(onRegistry).toHaveBeenCalledExactlyOnceWith(lifecycle.registry())
    expect(stored.reader.afterSeq('one')).toBe(1_201)
    expect(stored.reader.timeline(agent.id, ALL).transitions).toHaveLength(1_201)
    expect(session.asked.filter(([method]) => method === 'Events').map(([, request]) => request)).toEqual([0, 500, 1000].map((afterSeq) => ({ afterSeq, limit: 500 })))
  })

  it('goes on where an earlier program ended, and from the start where the counting began anew', async () => {
    const stored = history()
    session.spoolLines(10)
    await createLifecycle({ session, history: stored, onRegistry: () => {}, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 }).look()
    const lifecycle = createLifecycle({ session, history: stored, onRegistry: () => {}, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 })
    session.asked.length = 0
    await lifecycle.look()
    expect(session.asked.at(-1)).toEqual(['Events', { afterSeq: 10, limit: 500 }])
    session.beginAnew('two')
    session.spoolLines(4)
    await lifecycle.look()
    expect(stored.reader.afterSeq('two')).toBe(4)
    expect(stored.reader.timeline(agent.id, ALL).transitions).toHaveLength(14)
  })

  it('forgets a registry it cannot read, and passes the failure on', async () => {
    const lifecycle = createLifecycle({ session, history: history(), onRegistry: () => {}, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 })
    await lifecycle.look()
    session.fails()
    expect(await lifecycle.look()).toMatchObject({ ok: false, error: { code: 'helper-gone' } })
    expect(lifecycle.registry()).toBeNull()
  })

  it('looks once for two who ask at the same time', async () => {
    const lifecycle = createLifecycle({ session, history: history(), onRegistry: () => {}, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 })
    await Promise.all([lifecycle.look(), lifecycle.look()])
    expect(session.asked.filter(([method]) => method === 'Registry')).toHaveLength(1)
  })
})

describe('changing', () => {
  it('looks afterwards, whether it went well or not', async () => {
    const lifecycle = createLifecycle({ session, history: history(), onRegistry: () => {}, deeds: { know: () => {}, did: () => {}, spooled: () => {}, look: () => {} }, now: () => 5 })
    expect(await lifecycle.change('SetAgent', { id: agent.id, pinned: true })).toMatchObject({ ok: true, value: { pinned: true } })
    expect(await lifecycle.change('Suspend', { ids: [agent.id], cause: 'user' })).toEqual({ ok: false, error: { code: 'not-supported', message: 'There is no swap to go to.' } })
    expect(session.asked.map(([method]) => method).filter((method) => method !== 'Events')).toEqual(['SetAgent', 'Registry', 'Suspend', 'Registry'])
  })

  it('waits longer for many agents and for a password than for a look', () => {
    const ids = Array.from({ length: 30 }, () => agent.id)
    expect(timeoutOf('Suspend', { ids, cause: 'user' })).toBeGreaterThan(30 * 30_000)
    expect(timeoutOf('Resume', { ids: null, cause: 'user' })).toBeGreaterThan(10 * 60_000)
    expect(timeoutOf('Limit', { id: null, limits: {} })).toBeGreaterThan(timeoutOf('Registry', {}))
  })
})

describe('states', () => {
  const suspension = sampleSuspension(agent)
  const frozen = sampleEntry(agent, { state: 'suspended', suspension })

  it('has an agent suspended that the registry has suspended, and one that woke active', () => {
    expect(withRegistry([agent], sampleRegistry([frozen]))).toMatchObject([{ state: 'suspended' }])
    expect(withSuspended([agent], sampleRegistry([frozen]))).toMatchObject([{ state: 'suspended' }])
    expect(withRegistry([{ ...agent, state: 'suspended' }], sampleRegistry([sampleEntry(agent, { state: 'active', activity: { idle: false, idleMs: { value: null, reason: 'not-measured' }, reasons: [], knownBy: 'evidence' } })]))).toMatchObject([{ state: 'active', idleMs: { value: 0 } }])
    expect(withRegistry([agent], null)).toEqual([agent])
  })

  it('has one that waits for its model not idle, and a pinned one idle as it is', () => {
    const waiting = sampleEntry(agent, { activity: { idle: false, idleMs: { value: null, reason: 'not-measured' }, reasons: [{ reason: 'network', text: 'a request was sent 40 s ago' }], knownBy: 'evidence' } })
    expect(withRegistry([agent], sampleRegistry([waiting]))[0]?.idleMs).toEqual({ value: 0 })
    const pinned = sampleEntry(agent, { pinned: true, activity: { idle: false, idleMs: { value: null, reason: 'not-measured' }, reasons: [{ reason: 'pinned', text: 'pinned' }], knownBy: 'evidence' } })
    expect(withRegistry([agent], sampleRegistry([pinned]))[0]?.idleMs).toEqual(agent.idleMs)
    const quiet = { ...pinned, activity: { ...pinned.activity, idleMs: { value: 77_000 } } }
    expect(withRegistry([agent], sampleRegistry([quiet]))[0]?.idleMs).toEqual({ value: 77_000 })
  })

  it('says what suspending is worth by the newest measurement', () => {
    const now = { ...agent, state: 'suspended' as const, cost: { ...agent.cost, costBytes: 100 * MIB } }
    expect(suspendedWon([now], sampleRegistry([frozen]), suspension.sinceMs + 10_000)).toEqual({ value: 200 * MIB })
    expect(suspendedWon([now], sampleRegistry([frozen]), suspension.sinceMs + 100)).toEqual({ value: suspension.wonBytes })
    expect(suspendedWon([now], null, 0)).toMatchObject({ value: null })
    expect(suspendedWon([], sampleRegistry([]), 0)).toEqual({ value: 0 })
  })
})
