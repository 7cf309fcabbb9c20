import { promises as timers } from 'node:timers'
import type { Cause } from '../contract/cause.ts'
import type { Failure, Result } from '../contract/errors.ts'
import { fail } from '../contract/result.ts'
import type { Probe } from '../contract/probe.ts'
import type { AgentTarget, SystemRequest } from '../contract/requests.ts'
import type { Outcome, Progress, RunRecord, RunState } from '../contract/runs.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type { SystemTools } from '../layers/compressed-swap/system-tools.ts'
import type { MachineAccess } from './context.ts'
import type { Journal } from './journal.ts'
import type { RecordStore } from './records.ts'
import type { KernelFiles } from './write.ts'

export type ApplyRequest = SystemRequest<'Apply'>

/** How long things take; tests shorten them. */
export interface Pace {
  /** Between the two looks before the first change. */
  noiseGapMs: number
  /** Between two looks at what merging has won. */
  flatPollMs: number
  /** Until an undo that waits for memory is tried again, and for how long. */
  retryMs: number
  giveUpMs: number
  /** How long a run may still wait for its answer once another user was refused because of it. */
  othersWaitMs: number
}

export const defaultPace: Pace = { noiseGapMs: 4000, flatPollMs: 5000, retryMs: 15_000, giveUpMs: 30 * 60_000, othersWaitMs: 2 * 60_000 }

/** What every run of a manager shares. */
export interface Engine {
  root: string
  stateDir: string
  journalDir: string
  bootId: () => string
  kernel: KernelFiles
  tools: SystemTools
  store: RecordStore
  reclaimProgram: string
  takeSnapshot: (uid: number, named: readonly AgentTarget[]) => Promise<Snapshot>
  probe: () => Probe
  onProgress: (uid: number, progress: Progress) => void
  onOutcome: (uid: number, outcome: Outcome) => void
  now: () => number
  /** Ends early, without an error, when the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  checkpoint: (name: string) => void
  pace: Pace
  guard: RunGuard
}

/** What undoes an open run when this program cannot any more. */
export interface RunGuard {
  /** Ready to be armed; fails where it does not run and cannot be started. */
  ready(): Promise<Result<null>>
  /** Before the first write. The journal is there already. */
  arm(run: { runId: string; uid: number; journalPath: string; paths: readonly string[] }): Promise<Result<null>>
  /** Kept or undone. */
  done(runId: string): Promise<void>
  /** It has undone this run by itself, and said so. */
  undid(runId: string): boolean
}

/** Why a run stops going forward. */
export interface Stop {
  cause: Cause
  error: Failure | null
}

/** The one run that is under way. */
export interface OpenRun {
  record: RunRecord
  journal: Journal | null
  /** Set once; the run then goes back. */
  stop: Stop | null
  abort: AbortController
  /** Answers "keep" while waiting; undefined at any other time. */
  keep: (() => void) | undefined
  /** Another user waits: the answer is due sooner. Undefined unless waiting. */
  hurry: (() => void) | undefined
  /** Resolves when a decision stands: kept, or a first pass of undoing is over. */
  decided: Promise<void>
  /** Resolves when nothing is open any more. */
  finished: Promise<void>
}

export const interruptibleSleep = async (ms: number, signal: AbortSignal): Promise<void> => {
  try {
    await timers.setTimeout(ms, undefined, { signal })
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error
  }
}

/** Asks a run to go back; the first to ask gives the cause. */
export const stopRun = (open: OpenRun, cause: Cause, error: Failure | null = null): void => {
  open.stop ??= { cause, error }
  open.abort.abort()
}

/** Where in the whole run things stand, for the progress line. */
export const report = (engine: Engine, open: OpenRun, fraction: number, text: string): void => {
  const { record } = open
  engine.onProgress(record.uid, {
    runId: record.id,
    state: record.state,
    fraction: Math.min(1, Math.max(0, fraction)),
    text,
    confirmUntilMs: record.confirmUntilMs,
    canCancel: record.state === 'started' || record.state === 'applying' || record.state === 'settling' || record.state === 'waiting',
  })
}

/** Stores the record; the journal is what undoing relies on, so a full disk here does not stop a run. */
export const setState = (engine: Engine, open: OpenRun, state: RunState): Result<null> => {
  open.record.state = state
  return engine.store.save(open.record)
}

export const announce = (engine: Engine, open: OpenRun): void => {
  const { record } = open
  engine.onOutcome(record.uid, { runId: record.id, state: record.state, cause: record.undoCause ?? record.cause, error: record.error })
}

export const accessOf = (engine: Engine, open: OpenRun, fraction: () => number): MachineAccess => ({
  root: engine.root,
  kernel: engine.kernel,
  tools: engine.tools,
  checkpoint: engine.checkpoint,
  say: (text) => report(engine, open, fraction(), text),
})

export const bug = (error: unknown): Failure => {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return fail('internal', 'Something went wrong inside the helper; what had been done was taken back.', { got: text, advice: 'Report this with the text shown.' }).error
}
