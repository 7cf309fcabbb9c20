import type { HistoryEvent } from '../../electron/contract/views.ts'
import type { Agent } from '../../helper/contract/agents.ts'
import { fail } from '../../helper/contract/result.ts'
import type { Activity, BusyReason, Footprint, GuardStatus, GuardWord, RegistryEntry, Suspension, Transition } from '../../helper/contract/lifecycle.ts'
import type { Limits, LimitView } from '../../helper/contract/limits.ts'
import { known, missing } from '../../helper/contract/known.ts'
import { BOOT_ID, MB } from './fleet.ts'

const minutes = (n: number): number => n * 60_000

/** What keeps each of the active agents busy, in the order of the fleet. */
const reasonsOf = (index: number): { reason: BusyReason; text: string }[] => {
  const kinds: { reason: BusyReason; text: string }[][] = [
    [{ reason: 'network', text: 'waits for its model since 2 min' }],
    [{ reason: 'tool', text: 'runs npm test since 40 s' }, { reason: 'cpu', text: 'used 34 % of a core in the last minute' }],
    [{ reason: 'terminal-output', text: 'wrote to its terminal 3 s ago' }, { reason: 'cpu', text: 'used 12 % of a core in the last minute' }, { reason: 'network', text: 'receives an answer since 8 s' }],
    [{ reason: 'subagent', text: 'waits for a subagent since 6 min' }],
    [{ reason: 'debugger', text: 'is traced by gdb, process 7711' }],
    [{ reason: 'hook', text: 'says that a turn is under way since 1 min' }],
  ]
  return kinds[Math.floor(index / 4) % kinds.length] ?? []
}

const activityOf = (agent: Agent, index: number): Activity =>
  agent.state === 'active'
    ? { idle: false, idleMs: missing('not-measured', 'It is busy.'), reasons: reasonsOf(index), knownBy: index === 21 ? 'hook' : 'evidence' }
    : { idle: true, idleMs: agent.idleMs, reasons: [], knownBy: agent.kind === 'claude-code' ? 'hook' : 'evidence' }

export const footprintOf = (agent: Agent): Footprint => ({
  costBytes: agent.cost.costBytes,
  residentAnonBytes: agent.cost.anonBytes.value ?? 0,
  swapPssBytes: agent.cost.swapPssBytes,
  compressedBytes: agent.cost.compressedBytes,
  fileBytes: agent.cost.fileBytes.value ?? 0,
})

export const suspensionOf = (before: Agent, after: Agent, sinceMs: number, cause: Suspension['cause'], stoppedBy: string | null = null): Suspension => ({
  agentId: before.id,
  title: before.title,
  uid: 1000,
  sinceMs,
  cause,
  cgroup: `/user.slice/user-1000.slice/user@1000.service/app.slice/app-agents.slice/agent-${before.pid}.scope`,
  processes: before.processes.map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })),
  terminal: `/dev/pts/${before.pid % 40}`,
  before: footprintOf(before),
  after: footprintOf(after),
  wonBytes: before.cost.costBytes - after.cost.costBytes,
  workingSetBytes: 34 * MB,
  freezeMs: 12,
  reclaimMs: 640,
  stoppedBy,
})

/** How an agent came to its present state, oldest first. */
export const transitionsOf = (agent: Agent, nowMs: number, suspension: Suspension | null): Transition[] => {
  const bornMs = nowMs - agent.ageMs
  const quietMs = Math.max(bornMs + 20_000, nowMs - (agent.idleMs.value ?? 0) - (suspension === null ? 0 : nowMs - suspension.sinceMs))
  const list: Transition[] = [{ atMs: bornMs, from: null, to: 'active', cause: 'discovered', text: 'Found among the processes.' }]
  const lunchMs = bornMs + (quietMs - bornMs) * 0.45
  if (agent.ageMs > minutes(60))
    list.push(
      { atMs: bornMs + (quietMs - bornMs) * 0.2, from: 'active', to: 'idle', cause: 'evidence', text: 'No CPU, terminal or network for 1 min.' },
      { atMs: bornMs + (quietMs - bornMs) * 0.3, from: 'idle', to: 'suspended', cause: 'policy', text: 'Idle for 10 min, as the policy says.' },
      { atMs: lunchMs, from: 'suspended', to: 'active', cause: 'key', text: 'A key was typed into its terminal.' },
    )
  if (agent.state !== 'active') list.push({ atMs: quietMs, from: 'active', to: 'idle', cause: 'evidence', text: 'No CPU, terminal or network for 1 min.' })
  if (suspension !== null) list.push({ atMs: suspension.sinceMs, from: 'idle', to: 'suspended', cause: suspension.cause, text: suspension.cause === 'policy' ? 'Idle for 10 min, as the policy says.' : 'Asked for in the window.' })
  return list
}

const LIMIT_WATCH_MS = 5 * 60_000

/** A limit as it looks in one of its three states. */
export const limitOf = (agentId: string | null, limits: Limits, state: LimitView['state'], setAtMs: number, cgroup: string): LimitView => ({
  agentId,
  cgroup,
  limits,
  files: [
    ...(limits.highBytes === undefined ? [] : [{ file: 'memory.high', oldBytes: null, nowBytes: state === 'undone' ? null : limits.highBytes }]),
    ...(limits.maxBytes === undefined ? [] : [{ file: 'memory.max', oldBytes: null, nowBytes: state === 'undone' ? null : limits.maxBytes }]),
    ...(limits.lowBytes === undefined ? [] : [{ file: 'memory.low', oldBytes: 0, nowBytes: limits.lowBytes }]),
  ],
  setAtMs,
  state,
  watchUntilMs: setAtMs + LIMIT_WATCH_MS,
  text:
    state === 'watching'
      ? 'Being watched: no pressure and no refaults beyond the usual so far.'
      : state === 'holds'
        ? 'Held for 5 min without noteworthy pressure.'
        : 'Taken back after 48 s: the agent waited for memory 31 % of the time.',
})

export interface EntryExtras {
  suspension: Suspension | null
  pinned: boolean
  importance: number
  trustDomain: string
  limit: LimitView | null
  doing: RegistryEntry['doing']
  suspendsAtMs: number | null
  problem: RegistryEntry['problem']
  trimmedBytes: number
}

export const entryOf = (agent: Agent, index: number, nowMs: number, extras: EntryExtras): RegistryEntry => {
  const transitions = transitionsOf(agent, nowMs, extras.suspension)
  return {
    id: agent.id,
    foundBy: index % 9 === 4 ? 'launched' : 'discovered',
    sessionId: agent.kind === 'claude-code' ? `b3d1f0a2-77aa-4c1e-9b0e-${String(100_000_000_000 + agent.pid)}` : null,
    state: agent.state,
    stateSinceMs: transitions.at(-1)?.atMs ?? nowMs,
    activity: activityOf(agent, index),
    transitions,
    ...extras,
  }
}

/** Words the guard left, newest last. */
export const wordsAt = (nowMs: number): GuardWord[] => [
  { atMs: nowMs - minutes(50), what: 'woke', text: 'Gemini CLI docs woke by a key after 31 min; 24 MB brought back first.', runId: null, agentId: `${BOOT_ID}:4220:129540`, uid: 1000 },
  { atMs: nowMs - minutes(4), what: 'pressure', text: 'Programs waited for memory 24 % of ten seconds: the scan rate of the open run was put back.', runId: null, agentId: null, uid: null },
]

export const guardOf = (running: boolean, agents: number, words: GuardWord[]): GuardStatus => ({ running, pid: running ? 812 : null, pssBytes: running ? known(1_340_000) : missing('not-measured', 'It is not running.'), runs: 0, agents, words })

/** What the lifecycle left in the history before this window opened. */
export const pastEvents = (agents: readonly Agent[], nowMs: number): Omit<HistoryEvent, 'id'>[] => {
  const at = (minutesAgo: number, kind: HistoryEvent['kind'], text: string, agentId: string | null = null) => ({ atMs: nowMs - minutes(minutesAgo), kind, text, runId: null, agentId })
  const first = agents[2]
  const second = agents[3]
  if (first === undefined || second === undefined) return []
  return [
    at(50, 'agent-resumed', `${second.title} ${second.name} resumed by a key after 31 min`, second.id),
    at(66, 'reaped', 'Ended 2 orphans: filesystem MCP server, gopls'),
    at(81, 'agent-suspended', `${second.title} ${second.name} suspended, idle for 10 min, 196 MB won`, second.id),
    at(81.2, 'agent-suspended', `${first.title} ${first.name} suspended, idle for 10 min, 402 MB won`, first.id),
    at(130, 'limit', `${first.title} ${first.name}: high limit of 320 MB holds`, first.id),
    at(170, 'fix', 'Gemini CLI without its relaunching parent: applied'),
    at(231, 'guard', 'Programs waited for memory 24 % of ten seconds: the scan rate was put back'),
    at(300, 'problem', 'The policy file could not be read: the defaults are used'),
  ]
}

/** Why an agent of the fleet is left running when it is asked to be suspended; null lets it through. */
export const refusalOf = (agent: Agent, index: number, pinned: boolean) => {
  if (pinned) return fail('busy', 'You pinned it, so it is never suspended.', { advice: 'Unpin it first.' }).error
  const [first] = agent.state === 'active' ? reasonsOf(index) : []
  return first === undefined ? null : fail('busy', `It ${first.text}.`, { advice: 'It can be suspended once that is over.' }).error
}
