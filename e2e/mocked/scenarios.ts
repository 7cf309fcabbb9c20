import type { Agent } from '../../helper/contract/agents.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import { fail } from '../../helper/contract/result.ts'
import type { Policy } from '../../helper/contract/lifecycle.ts'
import type { FindingKind } from './diagnosis-data.ts'
import type { ModuleScenario } from './module-data.ts'
import type { HelperState } from '../../electron/contract/views.ts'

/** What a mocked app is like at its start and how it answers. */
export interface Scenario {
  agents: number
  helper: HelperState['system']
  /** Asked on each Apply; the number counts from 1. Null lets it through. */
  applyFails: (time: number) => Failure | null
  planFails: Failure | null
  keepFails: Failure | null
  undoFails: Failure | null
  /** All that reads the history answers this. */
  historyFails: Failure | null
  /** The run at the start. */
  run: 'none' | 'applying' | 'waiting'
  /** The helper dies while applying, after this many steps. */
  killedAfterSteps: number | null
  ksm: boolean
  swapPossible: boolean
  /** Compressed swap is on from the start. */
  swapOn: boolean
  unreadable: boolean
  settingsProblem: string | null
  emptyHistory: boolean
  /** One step of a run takes this long. */
  stepMs: number
  confirmMs: number
  /** Time between two live events; 0 sends none. */
  tickMs: number
  /** Undoing leaves one file alone. */
  undoPartly: boolean
  /** What the run gained, as share of the memory paged out; 0 is within the noise. */
  paged: number
  /** So many of the idle agents are suspended from the start. */
  suspended: number
  /** Places in the fleet of those that are being suspended, and of the pinned ones. */
  doing: readonly number[]
  pinned: readonly number[]
  suspendAbility: 'own-scope' | 'helper' | 'no-swap' | 'none'
  /** Why this agent is left running; null asks for its activity only. */
  suspendFails: (agent: Agent) => Failure | null
  /** Asked on each request to suspend; the number counts from 1. */
  suspendDenied: (time: number) => Failure | null
  resumeFails: Failure | null
  limitFails: Failure | null
  policyFails: Failure | null
  /** The session role does not answer. */
  lifecycleFails: Failure | null
  /** Suspending one agent takes this long. */
  suspendMs: number
  stoppedBy: string | null
  /** An earlier try to suspend one of them failed. */
  failedBefore: boolean
  /** Three agents have limits: watching, holds, undone. */
  limits: boolean
  words: boolean
  guardUnknown: boolean
  policy: Partial<Policy>
  policyProblem: string | null
  leftovers: boolean
  units: 'running' | 'not-running' | 'not-installed'
  unitsProblem: string | null
  module: ModuleScenario
  unitsFail: Failure | null
  reapLeaves: boolean
  fixes: boolean
  /** The file of a fix is edited between showing and applying. */
  fixChanged: boolean
  findings: FindingKind
  diagnosisFails: Failure | null
  /** A look takes this long. */
  diagnosisMs: number
  /** What is tried is not found any more. */
  findingGone: boolean
  /** What is tried was found half a minute ago, and is not right now. */
  findingAway: boolean
  noteFails: Failure | null
  traceFails: Failure | null
}

const failure = (...args: Parameters<typeof fail>): Failure => fail(...args).error

const full: Scenario = {
  agents: 25,
  helper: 'ready',
  applyFails: () => null,
  planFails: null,
  keepFails: null,
  undoFails: null,
  historyFails: null,
  run: 'none',
  killedAfterSteps: null,
  ksm: true,
  swapPossible: true,
  swapOn: false,
  unreadable: false,
  settingsProblem: null,
  emptyHistory: false,
  stepMs: 40,
  confirmMs: 60_000,
  tickMs: 1000,
  undoPartly: false,
  paged: 0.85,
  suspended: 0,
  doing: [],
  pinned: [],
  suspendAbility: 'own-scope',
  suspendFails: () => null,
  suspendDenied: () => null,
  resumeFails: null,
  limitFails: null,
  policyFails: null,
  lifecycleFails: null,
  suspendMs: 30,
  stoppedBy: null,
  failedBefore: false,
  limits: false,
  words: false,
  guardUnknown: false,
  policy: {},
  policyProblem: null,
  leftovers: true,
  units: 'running',
  unitsProblem: null,
  module: 'off',
  unitsFail: null,
  reapLeaves: false,
  fixes: true,
  fixChanged: false,
  findings: 'some',
  diagnosisFails: null,
  diagnosisMs: 0,
  findingGone: false,
  findingAway: false,
  noteFails: null,
  traceFails: null,
}

/** A day of use: some suspended, one on its way, limits, a budget, a pin and words of the guard. */
const lived: Scenario = {
  ...full,
  swapOn: true,
  suspended: 11,
  doing: [20],
  pinned: [22],
  limits: true,
  words: true,
  failedBefore: false,
  policy: { suspend: { auto: true, afterIdleMs: 10 * 60_000 }, trim: { auto: true, afterIdleMs: 120_000 }, budgetBytes: 9 * 1024 ** 3, ownCgroups: true },
}

export const scenarios = {
  full,
  empty: { ...full, agents: 0, emptyHistory: true, leftovers: false, fixes: false, units: 'not-running', findings: 'none' },
  many: { ...full, agents: 500 },
  noHelper: { ...full, helper: 'not-installed' },
  helperTooOld: { ...full, helper: 'too-old' },
  running: { ...full, run: 'applying', stepMs: 600_000 },
  waiting: { ...full, run: 'waiting' },
  noGain: { ...full, paged: 0 },
  dismissed: { ...full, applyFails: (time) => (time === 1 ? failure('authorization-dismissed', 'The password dialog was closed.') : null) },
  obtainable: { ...full, applyFails: (time) => (time === 1 ? failure('authorization-obtainable', 'Changing memory settings needs your password.') : null) },
  denied: {
    ...full,
    applyFails: () => failure('authorization-denied', 'The policy of this machine does not allow you to change memory settings.', { about: 'org.agentmem.change-layers', advice: 'Ask the administrator of this machine to allow it.' }),
  },
  busy: { ...full, applyFails: () => failure('busy', 'Another window applied Balanced a moment ago.', { runId: '20261118T081500Z-0a1b2c3d' }) },
  planChanged: { ...full, applyFails: (time) => (time === 1 ? failure('plan-changed', 'Two agents ended since the plan was made.') : null) },
  helperMissing: { ...full, applyFails: () => failure('helper-missing', 'Nobody answers at org.agentmem.Helper1.') },
  diskFull: { ...full, applyFails: () => failure('disk-full', 'The swap file needs 8 GB, and 0.4 GB are free on /var.', { about: '/var/lib/agentmem/swap', advice: 'Free some space, or choose a smaller size in your own preset.' }) },
  planFails: { ...full, planFails: failure('helper-gone', 'The helper went away during the call.') },
  doesNotFit: { ...full, run: 'waiting', undoFails: failure('does-not-fit', 'The swap holds more than fits into memory.', { expected: '6.3 GB', got: '2.1 GB' }) },
  killed: { ...full, killedAfterSteps: 3 },
  undoPartly: { ...full, undoPartly: true },
  timeout: { ...full, confirmMs: 1500 },
  noKsm: { ...full, ksm: false },
  noSwap: { ...full, swapPossible: false },
  unreadable: { ...full, unreadable: true },
  futureHistory: {
    ...full,
    historyFails: failure('too-old', 'The history was written by a newer version of Agent Memory Center; this one leaves it untouched and records nothing.', { about: '/home/ada/.local/state/agentmem/history.db', advice: 'Update the app, or move the file away to begin a new one.' }),
  },
  historyFull: { ...full, historyFails: failure('disk-full', 'The disk is full: history is not being recorded. Everything else works on.', { about: 'history.db', advice: 'Free some space; recording goes on by itself.' }) },
  lived,
  allSuspended: { ...full, swapOn: true, suspended: 25 },
  suspendSlow: { ...full, suspendMs: 400 },
  suspendPartly: {
    ...full,
    suspendFails: (agent) =>
      agent.kind === 'opencode' ? failure('read-back-differs', 'It did not freeze within 2 s.', { advice: 'One of its processes hangs in the kernel (D state); it was let go again.' }) : null,
  },
  suspendDismissed: { ...full, suspendAbility: 'helper', suspendDenied: (time) => (time === 1 ? failure('authorization-dismissed', 'The password dialog was closed.') : null) },
  suspendDenied: { ...full, suspendAbility: 'helper', suspendDenied: () => failure('authorization-denied', 'The policy of this machine does not allow you to suspend agents.', { about: 'org.agentmem.agents' }) },
  failedBefore: { ...full, failedBefore: true },
  suspendNoSwap: { ...full, suspendAbility: 'no-swap' },
  suspendNone: { ...full, helper: 'not-installed', suspendAbility: 'none', guardUnknown: true },
  resumeFails: { ...full, suspended: 3, resumeFails: failure('does-not-fit', 'Its memory does not fit yet.', { advice: 'It is thawed by itself as memory comes free.' }) },
  limitFails: { ...full, limitFails: failure('write-refused', 'The kernel refused memory.high.', { about: 'memory.high', advice: 'The agent was left as it was.' }) },
  policyFails: { ...full, policyFails: failure('disk-full', 'policy.json could not be written: the disk is full.', { advice: 'Free some space and try again.' }) },
  badPolicy: { ...full, policyProblem: 'policy.json, line 3: suspend.afterIdleMs must be at least 30000. The file is left as it is and the defaults are used.' },
  sessionGone: { ...full, lifecycleFails: failure('helper-gone', 'The session helper does not answer.', { advice: 'It is started again by itself.' }) },
  reapLeaves: { ...full, reapLeaves: true },
  moduleMissing: { ...full, module: 'key-not-enrolled' },
  moduleLoaded: { ...full, module: 'loaded' },
  moduleAlone: { ...full, module: 'loaded', units: 'not-running' },
  moduleIdle: { ...full, module: 'idle', units: 'not-running' },
  moduleNoCompressor: { ...full, module: 'no-compressor' },
  unitsMissing: { ...full, units: 'not-installed' },
  unitsFail: { ...full, unitsFail: failure('disk-full', 'There is no space left to write broker.conf.', { advice: 'Free some disk space and try again; the old file is unchanged.' }) },
  fixChanged: { ...full, fixChanged: true },
  manyFindings: { ...full, findings: 'many' },
  longFindings: { ...full, findings: 'long' },
  diagnosisFails: { ...full, diagnosisFails: failure('internal', '/proc could not be read.', { about: '/proc/meminfo', advice: 'Look again in a moment.' }) },
  diagnosisSlow: { ...full, diagnosisMs: 4000 },
  findingGone: { ...full, findingGone: true },
  findingAway: { ...full, findingAway: true },
  noteFails: { ...full, noteFails: failure('disk-full', 'The disk is full: history is not being recorded. Everything else works on.', { about: 'history.db', advice: 'Free some space; recording goes on by itself.' }) },
  manySuspended: { ...full, agents: 500, suspended: 40 },
  badSettings: { ...full, settingsProblem: 'settings.json, line 4: theme must be system, light or dark. The file is left as it is and the defaults are used.' },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios
