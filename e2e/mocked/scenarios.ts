import { fail, type Failure } from '../../helper/contract/errors.ts'
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
}

export const scenarios = {
  full,
  empty: { ...full, agents: 0, emptyHistory: true },
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
  badSettings: { ...full, settingsProblem: 'settings.json, line 4: theme must be system, light or dark. The file is left as it is and the defaults are used.' },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios
