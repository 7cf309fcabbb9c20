import { promises as timers } from 'node:timers'
import { join } from 'node:path'
import type { AgentId } from '../../contract/agents.ts'
import type { Failure, Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Ability, GuardStatus, LifecycleCause, Resumed, Suspension } from '../../contract/lifecycle.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import { missing } from '../../contract/known.ts'
import { isAlive } from './check.ts'
import { agentJournals, closeFreeze, isFrozen, openFreezes, type FreezeAccess } from './freeze.ts'
import { createGuardLink, type GuardLink } from './guard-link.ts'
import { createHeldStore, readWords, type HeldStore } from './held.ts'
import { suspendAgent } from './suspend.ts'
import { swapRoom } from './swap.ts'
import { trimAgent, type Trimmed } from './trim.ts'
import { defaultLifecyclePace, type Asker, type HeldRecord, type LifecycleDeps, type LifecyclePace, type SuspendRequest } from './types.ts'
import { presentRanges } from './working-set.ts'
import type { Woken } from '../../guard/protocol.ts'

/** One suspension that is being made. */
export interface Underway {
  abort: AbortController
  /** Whose agent it is. */
  uid: number
  /** Why it was called off. */
  why: Failure | null
}

/** What the parts of a lifecycle share. */
export interface LifecycleState {
  deps: LifecycleDeps
  pace: LifecyclePace
  access: FreezeAccess
  link: GuardLink
  store: HeldStore
  held: Map<AgentId, HeldRecord>
  underway: Map<AgentId, Underway>
  swapRoom: () => Result<{ freeBytes: number }>
  now: () => number
  sleep: (ms: number) => Promise<void>
}

export interface Resume {
  resumed: Resumed[]
  left: { agentId: AgentId; error: Failure }[]
}

/** Suspends, resumes and trims agents of a role; knows what is suspended, also by the helper before this one. */
export interface Lifecycle {
  suspend(asker: Asker, request: SuspendRequest): Promise<Result<Suspension>>
  /** `uid` 0 may resume anybody's; null means all of the user's own. */
  resume(uid: number, agentIds: readonly AgentId[] | null, cause: LifecycleCause): Promise<Resume>
  trim(uid: number, agent: AgentTarget, mostBytes: number): Promise<Result<Trimmed>>
  /** Suspended agents of this user; null: everybody's. */
  suspended(uid: number | null): Suspension[]
  guard(uid: number): Promise<GuardStatus>
  ability(): Ability
  /** At start: takes over what the guard holds, thaws the rest. Answers with what ran again. */
  recover(): Promise<Resumed[]>
  /** Everything runs again, and every process is where it was. Answers with what could not be done. */
  rollbackAll(): Promise<string[]>
  /** Something is being frozen or thawed right now. */
  busy(): boolean
  link: GuardLink
}

export const createLifecycle = (deps: LifecycleDeps): Lifecycle => {
  const { root, kernel, stateDir, role, bootId, placer, log } = deps
  const link = createGuardLink(deps.connectGuard)
  const store = createHeldStore(join(stateDir, 'agents'))
  const state: LifecycleState = {
    deps,
    pace: { ...defaultLifecyclePace, ...deps.pace },
    access: { root, kernel, role, bootId, journalFolder: agentJournals(stateDir), checkpoint: deps.checkpoint ?? (() => undefined) },
    link,
    store,
    held: new Map(),
    underway: new Map(),
    swapRoom: deps.swapRoom ?? (() => swapRoom(root)),
    now: deps.now ?? Date.now,
    sleep: deps.sleep ?? (async (ms) => timers.setTimeout(ms)),
  }
  const { held, access, underway } = state
  const recent = new Map<AgentId, Resumed>()
  /** As they are now: the map changes while they are gone through. */
  const all = (): HeldRecord[] => [...held.values()]
  let waking = 0

  /** What came back soon after a wake is what the next one brings back before. */
  const learn = async ({ suspension }: HeldRecord, cause: LifecycleCause): Promise<void> => {
    if (deps.reclaimProgram === null) return
    // A key is what prefaulting is for: what another wake touched stands in only where nothing better is known.
    if (cause !== 'key' && store.sets(suspension.agentId) !== null) return
    await state.sleep(state.pace.learnAfterMs)
    if (held.has(suspension.agentId) || underway.has(suspension.agentId)) return
    const sets = await presentRanges(deps.reclaimProgram, suspension.uid, suspension.processes.filter((one) => isAlive(root, one)))
    if (sets.length > 0 && !held.has(suspension.agentId)) store.saveSets(suspension.agentId, sets)
  }

  /** It runs again: the journal is closed, the record goes. Done once, whoever finds out first. */
  const finish = async (record: HeldRecord, woken: Omit<Woken, 'agentId'>): Promise<Resumed | null> => {
    const { suspension, journalId } = record
    const { agentId } = suspension
    if (!held.delete(agentId)) return recent.get(agentId) ?? null
    const resumed: Resumed = { agentId, cause: woken.cause, suspendedForMs: Math.max(0, state.now() - suspension.sinceMs), prefaultedBytes: woken.prefaultedBytes, tookMs: woken.tookMs }
    recent.set(agentId, resumed)
    if (recent.size > 200) for (const first of recent.keys()) { recent.delete(first); break }
    if (!(await closeFreeze(access, journalId, record.freezePath))) {
      held.set(agentId, record)
      return null
    }
    store.remove(agentId)
    deps.onResumed?.(resumed, suspension)
    learn(record, woken.cause).catch((error: unknown) => log(`learning a working set: ${String(error)}`))
    return resumed
  }

  link.onWoke((woken) => {
    const making = underway.get(woken.agentId)
    if (making !== undefined) {
      making.why ??= fail('cancelled', woken.cause === 'key' ? 'A key was typed while it was being suspended, so it runs on.' : 'It was woken while it was being suspended.').error
      making.abort.abort()
    }
    const record = held.get(woken.agentId)
    if (record !== undefined) finish(record, woken).catch((error: unknown) => log(`closing a suspension: ${String(error)}`))
  })
  // Nobody would hear a key any more: what is frozen runs again at once.
  link.onLost(() => {
    for (const making of underway.values()) {
      making.why ??= fail('helper-gone', 'The guard has ended, so nothing is suspended.').error
      making.abort.abort()
    }
    for (const record of all()) finish(record, { cause: 'guard', prefaultedBytes: 0, tookMs: 0 }).catch((error: unknown) => log(`thawing after the guard ended: ${String(error)}`))
  })

  const wakeOne = async (record: HeldRecord, cause: LifecycleCause): Promise<Result<Resumed>> => {
    const { agentId } = record.suspension
    const startedMs = performance.now()
    const guard = await link.running()
    const woken = guard === null ? null : await guard.wake(agentId, cause)
    // A guard that does not know it, or is gone, has nothing to say against thawing.
    if (woken !== null && !woken.ok && woken.error.code !== 'no-such-run' && woken.error.code !== 'helper-gone') return woken
    const cost = woken?.ok === true ? woken.value : { prefaultedBytes: 0, tookMs: performance.now() - startedMs }
    const resumed = await finish(record, { cause, ...cost })
    return resumed === null ? fail('write-refused', 'The agent could not be thawed.', { about: record.freezePath, advice: 'It is tried again when the helper starts.' }) : ok(resumed)
  }

  /** Agents that ended while they were suspended: nothing is left to thaw. */
  const sweep = async (): Promise<void> => {
    for (const record of all()) {
      const { suspension } = record
      if (suspension.processes.some((one) => isAlive(root, one))) continue
      const guard = await link.running()
      await guard?.release(suspension.agentId)
      held.delete(suspension.agentId)
      await closeFreeze(access, record.journalId)
      store.remove(suspension.agentId)
      if ('place' in placer) await placer.unplace(suspension.agentId, 'suspend')
    }
  }

  const recover = async (): Promise<Resumed[]> => {
    const resumed: Resumed[] = []
    const connected = await link.ifRunning()
    // It runs and serves another helper: what it holds is not ours to thaw.
    if (!connected.ok) throw new Error(connected.error.message)
    const guard = connected.value
    const status = guard === null ? null : await guard.status()
    // One that runs and does not say what it holds is no reason to thaw; one that has ended meanwhile holds nothing.
    if (status?.ok === false && status.error.code !== 'helper-gone') throw new Error(status.error.message)
    const heldByGuard = new Set(status?.ok === true ? status.value.held : [])
    const adopted = new Set<string>()
    for (const record of store.all()) {
      const { agentId, cgroup } = record.suspension
      const ours = agentId.startsWith(`${bootId()}:`)
      if (ours && heldByGuard.has(agentId) && isFrozen(root, cgroup)) {
        held.set(agentId, record)
        adopted.add(record.journalId)
        continue
      }
      held.set(agentId, record)
      const wasFrozen = ours && isFrozen(root, cgroup)
      const done = heldByGuard.has(agentId) ? await wakeOne(record, 'startup-recovery') : ok(await finish(record, { cause: 'startup-recovery', prefaultedBytes: 0, tookMs: 0 }))
      if (done.ok && done.value !== null && wasFrozen) resumed.push(done.value)
      if (!done.ok) log(`recovery: ${agentId}: ${done.error.message}`)
    }
    for (const { journalId } of openFreezes(access.journalFolder)) {
      if (!adopted.has(journalId) && !(await closeFreeze(access, journalId))) log(`recovery: journal ${journalId} could not be closed`)
    }
    // Held by the guard, and no record of ours says what it is.
    for (const agentId of heldByGuard) if (!held.has(agentId)) await guard?.wake(agentId, 'startup-recovery')
    await sweep()
    // What was learned of agents that have ended is of no use to anybody.
    store.keepSets({
      has: (agentId) => {
        const [boot, pid, ticks] = agentId.split(':')
        return boot === bootId() && isAlive(root, { pid: Number(pid), startTimeTicks: Number(ticks) })
      },
    })
    return resumed
  }

  let queue: Promise<unknown> = Promise.resolve()
  /** One at a time: paging out two at once is slower for both, and harder on the machine. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = queue.then(work)
    queue = mine.catch(() => undefined)
    return mine
  }

  const lifecycle: Lifecycle = {
    link,
    suspend: async (asker, request) => {
      const { id } = request.agent
      if (underway.has(id)) return fail('busy', `${request.agent.title} is being suspended already.`)
      const making: Underway = { abort: new AbortController(), uid: asker.uid, why: null }
      underway.set(id, making)
      try {
        return await inTurn(async () => {
          await sweep()
          const before = held.get(id)
          if (before !== undefined) return ok(before.suspension)
          return suspendAgent(state, asker, request, making)
        })
      } finally {
        underway.delete(id)
      }
    },

    resume: async (uid, agentIds, cause) => {
      const result: Resume = { resumed: [], left: [] }
      waking += 1
      try {
        for (const [id, making] of underway) {
          // Nobody calls off what another user asked for.
          if (uid !== 0 && making.uid !== uid) continue
          if (agentIds === null ? making.uid !== uid : !agentIds.includes(id)) continue
          making.why ??= fail('cancelled', 'It was resumed while it was being suspended.').error
          making.abort.abort()
        }
        const wanted = [...held.values()].filter(({ suspension }) => (agentIds === null ? suspension.uid === uid : agentIds.includes(suspension.agentId)))
        for (const record of wanted) {
          const { agentId, uid: owner } = record.suspension
          if (uid !== 0 && owner !== uid) {
            result.left.push({ agentId, error: fail('not-yours', 'This agent belongs to another user.').error })
            continue
          }
          const woken = await wakeOne(record, cause)
          if (woken.ok) result.resumed.push(woken.value)
          else result.left.push({ agentId, error: woken.error })
        }
        return result
      } finally {
        waking -= 1
      }
    },

    trim: (uid, agent, mostBytes) => inTurn(async () => (held.has(agent.id) ? fail('busy', `${agent.title} is suspended: all that can go has gone.`) : trimAgent(state, uid, agent, mostBytes))),

    suspended: (uid) => {
      sweep().catch((error: unknown) => log(`looking for ended agents: ${String(error)}`))
      return [...held.values()].map(({ suspension }) => suspension).filter((one) => (uid === null || one.uid === uid) && one.processes.some((process) => isAlive(root, process)))
    },

    guard: async (uid) => {
      const guard = await link.running()
      const status = guard === null ? null : await guard.status()
      const mine = (words: GuardStatus['words']): GuardStatus['words'] => words.filter((word) => word.uid === null || word.uid === uid || uid === 0)
      if (status?.ok !== true) return { running: false, pid: null, pssBytes: missing('not-measured', 'the guard does not run: nothing is open'), runs: 0, agents: 0, words: mine(readWords(deps.wordsPath)) }
      const { running, pid, pssBytes, runs, agents, words } = status.value
      return { running, pid, pssBytes, runs, agents, words: mine(words) }
    },

    ability: () => {
      if ('missing' in placer) return { how: null, text: placer.missing }
      const room = state.swapRoom()
      if (!room.ok) return { how: null, text: `${room.error.message} ${room.error.advice ?? ''}`.trim() }
      return { how: placer.how, text: 'Idle agents can be frozen and paged out; a key wakes them.' }
    },

    recover,

    rollbackAll: async () => {
      const problems: string[] = []
      await recover()
      for (const record of all()) {
        const woken = await wakeOne(record, 'command-line')
        if (!woken.ok) problems.push(`${record.suspension.title}: ${woken.error.message}`)
      }
      if ('place' in placer) {
        for (const line of await placer.unplaceAll()) if (line.outcome === 'failed') problems.push(`${line.target}: ${line.reason}`)
      }
      store.keepSets(new Set())
      return problems
    },

    busy: () => underway.size > 0 || waking > 0,
  }
  return lifecycle
}
