import type { AgentId } from '../../contract/agents.ts'
import type { Failure, Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Ability, BusyReason, GuardStatus, GuardWord, LifecycleCause, RegistryEntry, Resumed, Suspension } from '../../contract/lifecycle.ts'
import type { Limits, LimitView } from '../../contract/limits.ts'
import type { SessionResponse, SystemResponse } from '../../contract/requests.ts'
import { listNames, readText, under } from '../../observe/files.ts'
import { spoken, type AgentRecord, type Registry } from '../registry/registry.ts'
import type { Backend } from './backend.ts'

/** What is known of those who act for the session role, as of the last time they were asked. */
export interface KeeperFacts {
  readonly guard: GuardStatus | null
  readonly budget: LimitView | null
  readonly suspend: Ability
  readonly limit: Ability
  /** Whether acting without a person needs a password first; null before anybody tried. */
  readonly permission: 'given' | 'needed' | 'denied' | null
}

export interface Keeper {
  /** One after the other. A person's wish is refused for what must never be frozen; the policy asks only for what is idle. */
  readonly suspend: (ids: readonly AgentId[], cause: LifecycleCause, mayAsk: boolean) => Promise<SessionResponse<'Suspend'>>
  /** Null: all. Never waits for a suspension under way. */
  readonly resume: (ids: readonly AgentId[] | null, cause: LifecycleCause) => Promise<SessionResponse<'Resume'>>
  readonly limit: (id: AgentId | null, limits: Limits, cause: LifecycleCause, mayAsk: boolean) => Promise<Result<LimitView>>
  readonly trim: (id: AgentId, mostBytes: number) => Promise<Result<SystemResponse<'Trim'>>>
  /** Cheap, by a few small reads: whether those suspended still are, and whether the guard still lives. True: `refresh` has news to fetch. */
  readonly check: () => boolean
  /** Asks for what is held and takes it over. What nobody guards any more is thawed. */
  readonly refresh: () => Promise<void>
  readonly facts: () => KeeperFacts
  /** Unix time of the last answer; null before the first. */
  readonly refreshedAtMs: () => number | null
  /** Takes the permission for unknown again: the connection it was given to is gone. */
  readonly forgetPermission: () => void
}

export interface KeeperOptions {
  readonly backend: Backend
  readonly registry: Registry
  readonly root: string
  readonly nowMs: () => number
  readonly onWord: (word: GuardWord) => void
  /** Words up to this Unix time were told before. */
  readonly lastWordMs: number
}

/** Frozen with any of these, work would break or others would wait; a person has to end or unpin it first. */
const NEVER: ReadonlySet<BusyReason> = new Set(['tool', 'subagent', 'debugger', 'lock', 'pinned'])

const UNKNOWN: Ability = { how: null, text: 'Not asked yet.' }

/** What the guard's word about a thawed agent says of the cause. */
const CAUSES: Partial<Record<GuardWord['what'], LifecycleCause>> = {
  woke: 'key',
  pressure: 'pressure',
  'low-memory': 'pressure',
  'oom-kill': 'pressure',
  'owner-gone': 'owner-gone',
  'helper-gone': 'owner-gone',
}

const causeOf = (word: GuardWord | undefined): LifecycleCause => (word === undefined ? 'guard' : (CAUSES[word.what] ?? 'guard'))

const permissionOf = (error: Failure): KeeperFacts['permission'] | undefined => {
  if (error.code === 'authorization-obtainable') return 'needed'
  return error.code === 'authorization-denied' ? 'denied' : undefined
}

/** Suspends, resumes, limits and trims through whoever can, and keeps the registry true to what is really frozen. */
export const createKeeper = ({ backend, registry, root, nowMs, onWord, lastWordMs: told }: KeeperOptions): Keeper => {
  let facts: KeeperFacts = { guard: null, budget: null, suspend: UNKNOWN, limit: UNKNOWN, permission: null }
  let refreshedAtMs: number | null = null
  let refreshing: Promise<void> | null = null
  let lastWordMs = told
  /** Where /proc hides the processes of others, a guard that was never seen is not missed. */
  let guardWasSeen = false
  let queue: Promise<unknown> = Promise.resolve()

  const oneByOne = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work, work)
    queue = done.catch(() => undefined)
    return done
  }

  const suspendedRecords = (): AgentRecord[] => registry.all().filter(({ entry }) => entry.suspension !== null)

  /** Null: the cgroup is gone or cannot be read. */
  const isFrozen = ({ cgroup }: Suspension): boolean | null => {
    const text = readText(under(root, `${cgroup}/cgroup.events`), 'vanished').value
    const frozen = text === null ? null : /^frozen (?<value>[01])$/mu.exec(text)?.groups?.['value']
    return frozen === undefined || frozen === null ? null : frozen === '1'
  }

  const isThere = (pid: number): boolean => listNames(under(root, `/proc/${pid}/task`), 'vanished').value !== null

  const notePermission = (error: Failure): void => {
    const permission = permissionOf(error)
    if (permission !== undefined) facts = { ...facts, permission }
  }

  const failed = (id: AgentId | null, error: Failure): void => {
    const record = id === null ? null : registry.get(id)
    // A dialog that the user closed, or a key that came first, is no problem of the agent's.
    if (record !== null && error.code !== 'authorization-dismissed' && error.code !== 'cancelled') record.entry.problem = error
  }

  const whileDoing = async <T>(id: AgentId, doing: RegistryEntry['doing'], work: () => Promise<Result<T>>): Promise<Result<T>> => {
    const record = registry.get(id)
    if (record !== null) record.entry.doing = doing
    try {
      const result = await work()
      if (!result.ok) {
        failed(id, result.error)
        notePermission(result.error)
      } else if (record !== null) record.entry.problem = null
      return result
    } finally {
      if (record !== null) record.entry.doing = null
    }
  }

  const mustNot = ({ entry }: AgentRecord): Result<null> => {
    const why = entry.activity.reasons.find(({ reason }) => NEVER.has(reason)) ?? (entry.pinned ? { reason: 'pinned' as const, text: 'it is pinned' } : undefined)
    if (why === undefined) return ok(null)
    return fail('busy', `It is not suspended: ${why.text}.`, { about: entry.id, advice: why.reason === 'pinned' ? 'Unpin it first.' : 'Try again once that has ended.' })
  }

  const suspendOne = async (id: AgentId, cause: LifecycleCause, mayAsk: boolean): Promise<Result<Suspension>> => {
    const target = registry.target(id)
    const record = registry.get(id)
    if (!target.ok) return target
    if (record?.entry.suspension !== null && record?.entry.suspension !== undefined) return ok(record.entry.suspension)
    const may = record === null ? ok(null) : mustNot(record)
    if (!may.ok) return may
    const answer = await whileDoing(id, 'suspending', () => backend.suspend(target.value, cause, mayAsk))
    if (!answer.ok) return answer
    facts = { ...facts, permission: 'given' }
    registry.suspended(answer.value)
    return answer
  }

  const thawed = (record: AgentRecord, word: GuardWord | undefined, fallback: string): void => {
    const { suspension } = record.entry
    if (suspension === null) return
    const resumed: Resumed = { agentId: record.entry.id, cause: causeOf(word), suspendedForMs: Math.max(0, (word?.atMs ?? nowMs()) - suspension.sinceMs), prefaultedBytes: 0, tookMs: 0 }
    registry.resumed(resumed, word?.text ?? fallback)
  }

  const wake: Keeper['resume'] = async (ids, cause) => {
    const wanted = ids ?? suspendedRecords().map(({ entry }) => entry.id)
    for (const id of wanted) {
      const record = registry.get(id)
      if (record !== null) record.entry.doing = 'resuming'
    }
    const answer = await backend.resume(ids === null ? null : [...ids], cause)
    for (const id of wanted) {
      const record = registry.get(id)
      if (record?.entry.doing === 'resuming') record.entry.doing = null
    }
    if (!answer.ok) {
      for (const id of wanted) failed(id, answer.error)
      return { resumed: [], left: wanted.map((agentId) => ({ agentId, error: answer.error })) }
    }
    for (const one of answer.value.resumed) registry.resumed(one, `suspended for ${spoken(one.suspendedForMs)}`)
    for (const { agentId, error } of answer.value.left) failed(agentId, error)
    return answer.value
  }

  const takeWords = (words: readonly GuardWord[]): void => {
    for (const word of words) if (word.atMs > lastWordMs) onWord(word)
    lastWordMs = Math.max(lastWordMs, ...words.map((word) => word.atMs))
  }

  const takeHeld = async (held: SystemResponse<'Held'>): Promise<void> => {
    for (const suspension of held.suspended) registry.suspended(suspension)
    const ids = new Set(held.suspended.map(({ agentId }) => agentId))
    for (const record of suspendedRecords()) {
      const { suspension } = record.entry
      if (suspension === null || ids.has(record.entry.id)) continue
      const word = held.guard.words.findLast(({ agentId, atMs }) => agentId === record.entry.id && atMs >= suspension.sinceMs)
      thawed(record, word, 'woken by the guard')
    }
    for (const record of registry.all()) record.entry.limit = held.limits.find(({ agentId }) => agentId === record.entry.id) ?? null
    facts = { ...facts, guard: held.guard, budget: held.limits.find(({ agentId }) => agentId === null) ?? null, suspend: held.suspend, limit: held.limit }
    guardWasSeen = held.guard.pid !== null && isThere(held.guard.pid)
    takeWords(held.guard.words)
    // Frozen without a guard, an agent would not hear a key: nothing may stay so.
    if (!held.guard.running && held.suspended.length > 0) await wake(null, 'guard')
  }

  const fetch = async (): Promise<void> => {
    const held = await backend.held()
    if (held.ok) {
      await takeHeld(held.value)
    } else {
      const none: Ability = { how: null, text: [held.error.message, held.error.advice].filter((part) => part !== undefined).join(' ') }
      facts = { ...facts, guard: null, suspend: none, limit: none }
      for (const record of suspendedRecords()) {
        const { suspension } = record.entry
        if (suspension !== null && isFrozen(suspension) !== true) thawed(record, undefined, 'it runs again')
      }
    }
    refreshedAtMs = nowMs()
  }

  const refresh = (): Promise<void> => {
    refreshing ??= fetch().finally(() => { refreshing = null })
    return refreshing
  }

  return {
    suspend: async (ids, cause, mayAsk) => {
      const answer: SessionResponse<'Suspend'> = { suspended: [], left: [] }
      for (const id of ids) {
        const one = await oneByOne(() => suspendOne(id, cause, mayAsk))
        if (one.ok) answer.suspended.push(one.value)
        else answer.left.push({ agentId: id, error: one.error })
      }
      return answer
    },
    resume: async (ids, cause) => {
      const wanted = new Set(ids ?? suspendedRecords().map(({ entry }) => entry.id))
      const answer = await wake(ids, cause)
      for (const { agentId } of answer.left) wanted.delete(agentId)
      // In neither list: the guard was quicker, and knows why.
      if (suspendedRecords().some(({ entry }) => wanted.has(entry.id))) await refresh()
      return answer
    },
    limit: async (id, limits, cause, mayAsk) => {
      const target = id === null ? ok(null) : registry.target(id)
      if (!target.ok) return target
      const answer = await oneByOne(() => backend.limit(target.value, limits, cause, mayAsk))
      if (!answer.ok) {
        failed(id, answer.error)
        notePermission(answer.error)
        return answer
      }
      facts = { ...facts, permission: 'given', ...(id === null ? { budget: answer.value } : {}) }
      const record = id === null ? null : registry.get(id)
      if (record !== null) record.entry.limit = answer.value
      return answer
    },
    trim: async (id, mostBytes) => {
      const target = registry.target(id)
      if (!target.ok) return target
      const answer = await oneByOne(() => whileDoing(id, 'trimming', () => backend.trim(target.value, mostBytes)))
      const record = registry.get(id)
      if (answer.ok) {
        facts = { ...facts, permission: 'given' }
        if (record !== null) record.entry.trimmedBytes += Math.max(0, answer.value.wonBytes)
      }
      return answer
    },
    check: () => {
      const held = suspendedRecords()
      if (held.length === 0) return false
      const guardPid = facts.guard?.pid ?? null
      const guardGone = guardWasSeen && guardPid !== null && !isThere(guardPid)
      return guardGone || held.some(({ entry }) => entry.suspension !== null && isFrozen(entry.suspension) !== true)
    },
    refresh,
    facts: () => facts,
    refreshedAtMs: () => refreshedAtMs,
    forgetPermission: () => { facts = { ...facts, permission: null } },
  }
}
