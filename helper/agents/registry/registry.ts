import type { AgentId, AgentState } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Activity, BusyReason, LifecycleCause, LifecycleEvent, RegistryEntry, Resumed, Suspension, Transition } from '../../contract/lifecycle.ts'
import { missing } from '../../contract/known.ts'
import type { AgentTarget, SessionRequest } from '../../contract/requests.ts'
import type { LookedAgent } from '../tracker.ts'
import type { Kept, KeptAgent, Project } from './store.ts'

/** An agent of the registry; whoever holds one sees it change. */
export interface AgentRecord {
  /** As last seen; of one that is gone, as it was then. */
  agent: LookedAgent
  entry: RegistryEntry
  /** When it was last thawed: it is left alone for a while after that. */
  lastWakeMs: number | null
}

export interface RegistryOptions {
  readonly kept: Kept
  /** Unix time. */
  readonly nowMs: () => number
  /** How a new agent came here; asked once for each. */
  readonly foundBy: (agent: LookedAgent) => RegistryEntry['foundBy']
  readonly onEvent: (event: Omit<LifecycleEvent, 'seq'>) => void
}

export interface Registry {
  /** What a look found. Agents not in it are gone. */
  readonly take: (agents: readonly LookedAgent[], activities: ReadonlyMap<AgentId, Activity>) => void
  readonly all: () => AgentRecord[]
  readonly get: (id: AgentId) => AgentRecord | null
  readonly set: (request: SessionRequest<'SetAgent'>) => Result<RegistryEntry>
  readonly suspended: (suspension: Suspension) => void
  /** It runs again. */
  readonly resumed: (resumed: Resumed, text: string) => void
  readonly target: (id: AgentId) => Result<AgentTarget>
  /** An agent's own hook spoke: its session id, where it told one. */
  readonly spoke: (id: AgentId, sessionId: string | null) => void
  readonly kept: () => Omit<Kept, 'lastWordMs'>
}

/** One that ended stays this long, so that the window can say so. */
const GONE_KEPT_MS = 5 * 60_000
const MOST_TRANSITIONS = 40
const DEFAULT_IMPORTANCE = 50
const DEFAULT_DOMAIN = 'default'

const NOT_MEASURED: Activity = {
  idle: false,
  idleMs: missing('not-measured', 'seen for the first time'),
  reasons: [{ reason: 'not-measured', text: 'not watched for long enough' }],
  knownBy: 'evidence',
}
const ENDED: Activity = { idle: false, idleMs: missing('vanished', 'it ended'), reasons: [], knownBy: 'evidence' }
const FROZEN: Activity = { idle: false, idleMs: missing('not-measured', 'it is suspended'), reasons: [], knownBy: 'evidence' }

/** These forbid suspending an agent that rests all the same. */
const AT_REST: ReadonlySet<BusyReason> = new Set(['pinned', 'lock', 'debugger'])

/** At its prompt with nothing to do, whether it may be suspended or not. */
const rests = ({ idle, idleMs, reasons }: Activity): boolean => idle || (idleMs.value !== null && reasons.every(({ reason }) => AT_REST.has(reason)))

/** Durations in sentences: "40 s", "5 min", "3 h". */
export const spoken = (ms: number): string => {
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`
  return ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

const spokenBytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`

const keyOf = (kind: string, folder: string): string => `${kind}\0${folder}`

/** The user's agents over time: state with cause and time, what the user said about each, what was done to it. */
export const createRegistry = ({ kept, nowMs, foundBy, onEvent }: RegistryOptions): Registry => {
  const records = new Map<AgentId, AgentRecord>()
  const projects = new Map(kept.projects.map((project) => [keyOf(project.kind, project.folder), project]))
  const earlier = new Map(kept.agents.map((agent) => [agent.id, agent]))

  const tell = (record: AgentRecord, more: Partial<Pick<LifecycleEvent, 'transition' | 'suspension' | 'resumed'>>, text: string): void => {
    const { id, title, name } = record.agent
    onEvent({ agentId: id, title, name, transition: null, suspension: null, resumed: null, word: null, text, ...more, atMs: more.transition?.atMs ?? nowMs() })
  }

  const move = (record: AgentRecord, to: AgentState, cause: LifecycleCause, text: string, more: Partial<Pick<LifecycleEvent, 'suspension' | 'resumed'>> = {}, from: AgentState | null = record.entry.state): void => {
    const transition: Transition = { atMs: nowMs(), from, to, cause, text }
    record.entry.state = to
    record.entry.stateSinceMs = transition.atMs
    record.entry.transitions = [...record.entry.transitions, transition].slice(-MOST_TRANSITIONS)
    tell(record, { transition, ...more }, text)
  }

  const projectOf = (agent: LookedAgent): Project | undefined =>
    agent.projectFolder.value === null ? undefined : projects.get(keyOf(agent.kind, agent.projectFolder.value))

  const appear = (agent: LookedAgent): AgentRecord => {
    const before: KeptAgent | undefined = earlier.get(agent.id)
    const project = projectOf(agent)
    const how = before?.foundBy ?? foundBy(agent)
    const entry: RegistryEntry = {
      id: agent.id,
      foundBy: how,
      sessionId: before?.sessionId ?? null,
      importance: before?.importance ?? project?.importance ?? DEFAULT_IMPORTANCE,
      pinned: before?.pinned ?? project?.pinned ?? false,
      trustDomain: before?.trustDomain ?? project?.trustDomain ?? DEFAULT_DOMAIN,
      state: before?.state ?? 'active',
      stateSinceMs: before?.stateSinceMs ?? nowMs(),
      doing: null,
      activity: NOT_MEASURED,
      transitions: before?.transitions ?? [],
      suspension: before?.suspension ?? null,
      trimmedBytes: before?.trimmedBytes ?? 0,
      limit: null,
      suspendsAtMs: null,
      problem: null,
    }
    earlier.delete(agent.id)
    const record: AgentRecord = { agent, entry, lastWakeMs: before?.lastWakeMs ?? null }
    records.set(agent.id, record)
    if (before === undefined) move(record, 'active', how === 'launched' ? 'launched' : how === 'hook' ? 'hook' : 'discovered', how === 'launched' ? 'started by agentmemctl run' : 'found among the processes', {}, null)
    return record
  }

  const judge = (record: AgentRecord, activity: Activity): void => {
    const { entry, agent } = record
    if (entry.suspension !== null) {
      entry.activity = FROZEN
      return
    }
    entry.activity = activity
    // Stopped by job control (Ctrl+Z) or a debugger: it holds still, though nobody here did it.
    const stopped = agent.state === 'suspended'
    const to: AgentState = stopped ? 'suspended' : rests(activity) ? 'idle' : 'active'
    if (to === entry.state) return
    const cause: LifecycleCause = activity.knownBy === 'hook' ? 'hook' : 'evidence'
    if (to === 'active') entry.trimmedBytes = 0
    const why = activity.reasons.find(({ reason }) => !AT_REST.has(reason))
    move(record, to, cause, stopped ? 'stopped in its terminal' : to === 'idle' ? `nothing to do for ${spoken(activity.idleMs.value ?? 0)}` : (why?.text ?? 'at work'))
  }

  const vanish = (record: AgentRecord): void => {
    const { entry } = record
    if (entry.state === 'gone') {
      if (nowMs() - entry.stateSinceMs > GONE_KEPT_MS) records.delete(entry.id)
      return
    }
    Object.assign(entry, { activity: ENDED, suspension: null, doing: null, limit: null, suspendsAtMs: null, problem: null } satisfies Partial<RegistryEntry>)
    move(record, 'gone', 'ended', 'its process ended')
  }

  const remember = ({ agent, entry }: AgentRecord): void => {
    const folder = agent.projectFolder.value
    if (folder === null) return
    const { importance, pinned, trustDomain } = entry
    projects.set(keyOf(agent.kind, folder), { kind: agent.kind, folder, importance, pinned, trustDomain, savedAtMs: nowMs() })
  }

  const known = (id: AgentId): Result<AgentRecord> => {
    const record = records.get(id)
    if (record === undefined || record.entry.state === 'gone') return fail('process-gone', 'That agent is not running any more.', { about: id, advice: 'Look at the list again.' })
    return ok(record)
  }

  return {
    take: (agents, activities) => {
      const seen = new Set(agents.map((agent) => agent.id))
      for (const agent of agents) {
        const record = records.get(agent.id) ?? appear(agent)
        record.agent = agent
        const activity = activities.get(agent.id)
        if (activity !== undefined) judge(record, activity)
      }
      for (const record of records.values()) if (!seen.has(record.entry.id)) vanish(record)
      // Agents of the file that did not turn up at the first look ended while nobody watched.
      if (earlier.size > 0) earlier.clear()
    },
    all: () => [...records.values()],
    get: (id) => records.get(id) ?? null,
    set: ({ id, ...said }) => {
      const found = known(id)
      if (!found.ok) return found
      Object.assign(found.value.entry, said)
      remember(found.value)
      return ok(found.value.entry)
    },
    suspended: (suspension) => {
      const record = records.get(suspension.agentId)
      if (record === undefined || record.entry.suspension?.sinceMs === suspension.sinceMs) return
      const adopted = record.entry.state === 'suspended' && record.entry.suspension !== null
      Object.assign(record.entry, { suspension, activity: FROZEN, suspendsAtMs: null, problem: null } satisfies Partial<RegistryEntry>)
      if (!adopted) move(record, 'suspended', suspension.cause, `${spokenBytes(suspension.wonBytes)} won${suspension.stoppedBy === null ? '' : `; ${suspension.stoppedBy}`}`, { suspension })
    },
    resumed: (resumed, text) => {
      const record = records.get(resumed.agentId)
      if (record === undefined || record.entry.suspension === null) return
      record.entry.suspension = null
      record.entry.activity = NOT_MEASURED
      record.entry.trimmedBytes = 0
      record.lastWakeMs = nowMs()
      move(record, 'active', resumed.cause, text, { resumed })
    },
    target: (id) => {
      const found = known(id)
      if (!found.ok) return found
      const { agent, entry } = found.value
      return ok({
        id,
        title: agent.title.slice(0, 128),
        idleMs: entry.activity.idleMs.value,
        kind: agent.kind,
        processes: agent.processes.slice(0, 512).map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })),
      })
    },
    spoke: (id, sessionId) => {
      const record = records.get(id)
      if (record !== undefined && sessionId !== null) record.entry.sessionId = sessionId
    },
    kept: () => ({
      projects: [...projects.values()],
      agents: [...records.values()]
        .filter(({ entry }) => entry.state !== 'gone')
        .map(({ entry, lastWakeMs }): KeptAgent => {
          const { id, foundBy: how, sessionId, importance, pinned, trustDomain, state, stateSinceMs, transitions, suspension, trimmedBytes } = entry
          return { id, foundBy: how, sessionId, importance, pinned, trustDomain, state, stateSinceMs, transitions, suspension, trimmedBytes, lastWakeMs }
        }),
    }),
  }
}

/** Scopes made by `agentmemctl run`, and only by it before the registry saw the agent, are named like this. */
const OWN_SCOPE = /^agent-[^/]*\.scope$/u

/**
 * Whether the launcher started an agent, seen from what it leaves on every
 * process: a scope of its own, or the opt-in to merging, which no agent sets
 * for itself. The environment is not read: it holds keys.
 */
export const launchedBy = (agent: LookedAgent, mergeable: boolean | null): RegistryEntry['foundBy'] => {
  const parts = (agent.cgroup.value ?? '').split('/')
  const inScope = parts.some((part) => OWN_SCOPE.test(part)) && parts.includes('app-agents.slice')
  return inScope || mergeable === true ? 'launched' : 'discovered'
}

