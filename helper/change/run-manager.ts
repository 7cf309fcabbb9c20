import { join } from 'node:path'
import type { Cause } from '../contract/cause.ts'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import { nothingToUndo, type Plan } from '../contract/plan.ts'
import type { Probe } from '../contract/probe.ts'
import type { AgentTarget } from '../contract/requests.ts'
import { isOpen, type Outcome, type Progress, type RunId, type RunRecord, type RunSummary } from '../contract/runs.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { systemTools, type SystemTools } from '../layers/compressed-swap/system-tools.ts'
import { readBootId } from '../observe/kernel.ts'
import { makePlan } from '../plan/make-plan.ts'
import { journalState, newJournalId, pruneJournals } from './journal.ts'
import { takeLock, type Lock } from './lock.ts'
import { defaultPace, interruptibleSleep, stopRun, type ApplyRequest, type Engine, type OpenRun, type Pace, type RunGuard } from './open-run.ts'
import { ourSwap } from './our-swap.ts'
import { recoverRuns } from './recover.ts'
import { createRecordStore, makeFolders, summaryOf } from './records.ts'
import { driveRun } from './run.ts'
import { stopWaiting, takeBack } from './take-back.ts'
import { createKernelFiles, type KernelFiles } from './write.ts'

/** How long recovery waits for a killed helper to be gone, and how often it looks. */
const DYING_LIMIT_MS = 60_000
const DYING_LOOK_MS = 200

/** Finished runs and journals that stay readable. */
const FINISHED_KEPT = 50

export interface RunManagerDeps {
  /** Folder of the kernel files: "/" or a captured tree. */
  root: string
  /** "/var/lib/agentmem": journal/, runs/ and the lock are made in it. */
  stateDir: string
  /** A full look at the machine and at this user's agents; `named` are those the caller knows by signatures of its own. */
  takeSnapshot: (uid: number, named: readonly AgentTarget[]) => Promise<Snapshot>
  probe: () => Probe
  /** Path of build/native/agentmem-reclaim or of its installed copy. */
  reclaimProgram: string
  /** The watchdog: no run is begun without it. */
  guard: RunGuard
  onProgress: (uid: number, progress: Progress) => void
  onOutcome: (uid: number, outcome: Outcome) => void
  /** Unix time in ms. */
  now?: () => number
  sleep?: Engine['sleep']
  pace?: Partial<Pace>
  /** Other writers and tools, for captured trees. */
  kernel?: KernelFiles
  tools?: SystemTools
  /** Called after each journal line, write and reading back. */
  checkpoint?: (name: string) => void
}

/**
 * The one place where runs begin and end. One run is open at a time over all
 * users. Callers are named by uid; root may see and end any run. No method
 * throws for what a machine or a caller may do.
 */
export interface RunManager {
  /** What these settings would do now. */
  plan(request: Pick<ApplyRequest, 'settings' | 'agents'>): Plan
  /** Starts in the background; progress and outcome are told by the callbacks. */
  apply(uid: number, request: ApplyRequest): Promise<Result<{ runId: RunId }>>
  /** Possible while the run is waiting. */
  keep(uid: number, runId: RunId): Promise<Result<RunSummary>>
  /** An open run is stopped and taken back, a kept one is undone; null is the newest of this user that is not undone and has something to undo. Answers after the first pass: lines may still wait for memory. */
  undo(uid: number, request: { runId: RunId | null; cause: Cause }): Promise<Result<RunRecord>>
  /** Every run of this user, newest first. */
  rollback(uid: number): Promise<Result<RunRecord[]>>
  cancel(uid: number, runId: RunId): Promise<Result<RunSummary>>
  /** Open, kept and partly undone ones, newest first. */
  runs(uid: number): Result<RunSummary[]>
  run(uid: number, runId: RunId): Result<RunRecord>
  openRunId(): RunId | null
  /** Call when the guard says that it has undone a run: it is closed here too. */
  guardUndid(runId: RunId): Promise<void>
  /** Call when the owner of an open run has left the bus: an unanswered run is taken back. */
  callerGone(runId: RunId): Promise<void>
  /** At start: takes back what a crash left unconfirmed. Answers with every run it changed. */
  recover(): Promise<RunRecord[]>
  /** Takes back an open run and gives the lock back. */
  close(): Promise<void>
}

/** Ids are of one second; runs may be closer. */
const newestFirst = (a: RunRecord, b: RunRecord): number => b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1)

export const createRunManager = (deps: RunManagerDeps): RunManager => {
  const { root, stateDir } = deps
  // A failure shows up with the first request that changes something; looking works without.
  makeFolders(stateDir)
  const store = createRecordStore(join(stateDir, 'runs'))
  const engine: Engine = {
    root,
    stateDir,
    journalDir: join(stateDir, 'journal'),
    bootId: () => readBootId(root),
    kernel: deps.kernel ?? createKernelFiles({ root }),
    tools: deps.tools ?? systemTools,
    store,
    reclaimProgram: deps.reclaimProgram,
    takeSnapshot: deps.takeSnapshot,
    probe: deps.probe,
    onProgress: deps.onProgress,
    onOutcome: deps.onOutcome,
    now: deps.now ?? Date.now,
    sleep: deps.sleep ?? interruptibleSleep,
    checkpoint: deps.checkpoint ?? (() => {}),
    pace: { ...defaultPace, ...deps.pace },
    guard: deps.guard,
  }
  let latest: OpenRun | null = null
  /** The run under way. One whose state is final is over for everybody who has heard so, though its promises are still settling. */
  const current = (): OpenRun | null => (latest !== null && isOpen(latest.record.state) ? latest : null)
  let lock: Lock | null = null
  let closed = false

  const mine = (uid: number, record: RunRecord): boolean => uid === 0 || record.uid === uid
  const notYours = () => fail('not-yours', 'This run belongs to another user.')
  const noSuchRun = (runId: string) => fail('no-such-run', 'There is no such run any more.', { about: runId })
  const ownOpen = (uid: number): OpenRun | null => {
    const run = current()
    return run !== null && mine(uid, run.record) ? run : null
  }
  const busy = (uid: number) => {
    const own = ownOpen(uid)
    if (own !== null) return fail('busy', 'Another run is open: keep it or undo it first.', { runId: own.record.id })
    current()?.hurry?.()
    return fail('busy', 'Another run is open.', { advice: 'Try again in a few minutes: whoever started it has been asked to decide.' })
  }

  /** Ready to change something: folders, lock, nothing else open. */
  const ready = (uid: number): Result<null> => {
    if (closed) return fail('helper-gone', 'The helper is about to end.')
    if (current() !== null) return busy(uid)
    const folders = makeFolders(stateDir)
    if (!folders.ok) return folders
    if (lock !== null) return ok(null)
    const taken = takeLock(stateDir, engine.bootId())
    if (!taken.ok) return taken
    lock = taken.value
    return ok(null)
  }

  const load = (uid: number, runId: string): Result<RunRecord> => {
    const run = current()
    const record = run?.record.id === runId ? run.record : store.load(runId)
    if (record === null) return noSuchRun(runId)
    return mine(uid, record) ? ok(record) : notYours()
  }

  const begin = (record: RunRecord, work: (run: OpenRun) => Promise<{ finished: Promise<void> }>): OpenRun => {
    const run: OpenRun = { record, journal: null, stop: null, abort: new AbortController(), keep: undefined, hurry: undefined, decided: Promise.resolve(), finished: Promise.resolve() }
    latest = run
    const worked = work(run)
    run.decided = worked.then(() => undefined)
    const over = async (): Promise<void> => {
      try {
        await (await worked).finished
      } finally {
        if (latest === run) latest = null
        await engine.guard.done(record.id)
      }
    }
    run.finished = over()
    // Whoever waits sees the error; nobody waiting must not end the helper.
    run.decided.catch(() => {})
    run.finished.catch(() => {})
    return run
  }

  /** Where the end of the first pass is the end of it all, the run is closed by then. */
  const settled = async (run: OpenRun): Promise<void> => {
    await run.decided
    if (!isOpen(run.record.state)) await run.finished
  }

  const undoClosed = async (record: RunRecord, cause: Cause): Promise<RunRecord> => {
    const run = begin(record, (it) => takeBack(engine, it, cause, null))
    await settled(run)
    return structuredClone(run.record)
  }

  const undoable = (uid: number): RunRecord[] =>
    store
      .ids()
      .flatMap((id) => store.load(id) ?? [])
      .filter((record) => mine(uid, record) && (record.state === 'kept' || record.state === 'partly-undone') && journalState(engine.journalDir, record.id) === 'kept')
      .toSorted(newestFirst)

  const manager: RunManager = {
    plan: ({ settings, agents }) => makePlan({ settings, probe: engine.probe(), agents, ourSwap: ourSwap(engine) }),

    apply: async (uid, request) => {
      const can = ready(uid)
      if (!can.ok) return can
      const plan = manager.plan(request)
      if (plan.digest !== request.digest) {
        return fail('plan-changed', 'The machine or the agents have changed since the plan was shown: look at the new plan.', { expected: request.digest, got: plan.digest })
      }
      const guarded = await engine.guard.ready()
      if (!guarded.ok) return guarded
      // Somebody else may have begun meanwhile.
      const still = ready(uid)
      if (!still.ok) return still
      const startedAtMs = engine.now()
      const id = request.runId ?? newJournalId(startedAtMs)
      if (store.ids().includes(id)) return fail('bad-request', 'A run with this id exists already.', { about: id })
      const record: RunRecord = {
        version: 1,
        id,
        uid,
        presetId: request.presetId,
        presetTitle: request.presetTitle,
        cause: request.cause,
        state: 'started',
        startedAtMs,
        endedAtMs: null,
        plan,
        steps: [],
        treated: request.agents.map((agent) => agent.id),
        control: request.control.map((agent) => agent.id),
        before: [],
        after: null,
        confirmUntilMs: null,
        undo: [],
        undoCause: null,
        error: null,
      }
      const saved = store.save(record)
      if (!saved.ok) return saved
      begin(record, (run) => driveRun(engine, run, request))
      pruneJournals(engine.journalDir, FINISHED_KEPT)
      store.prune(FINISHED_KEPT, (runId) => runId !== id && (journalState(engine.journalDir, runId) ?? 'undone') === 'undone')
      return ok({ runId: id })
    },

    keep: async (uid, runId) => {
      const record = load(uid, runId)
      if (!record.ok) return record
      const run = current()
      if (record.value.state === 'kept') return ok(summaryOf(record.value))
      if (run === null || run.record.id !== runId) return noSuchRun(runId)
      if (run.keep === undefined) return fail('bad-request', 'The run is not waiting for an answer.', { about: runId, expected: 'waiting', got: run.record.state })
      run.keep()
      await settled(run)
      if (run.record.state === 'kept') return ok(summaryOf(run.record))
      return fail(run.record.error?.code ?? 'no-such-run', run.record.error?.message ?? 'The run was undone before it could be kept.', { about: runId })
    },

    undo: async (uid, { runId, cause }) => {
      const id = runId ?? ownOpen(uid)?.record.id ?? undoable(uid).find((record) => !nothingToUndo(record.plan))?.id
      if (id === undefined) return fail('no-such-run', 'There is nothing to undo.')
      const record = load(uid, id)
      if (!record.ok) return record
      const run = current()
      if (run?.record.id === id) {
        stopRun(run, cause)
        await settled(run)
        return ok(structuredClone(run.record))
      }
      if (record.value.state !== 'kept' && record.value.state !== 'partly-undone') return fail('no-such-run', 'This run has been undone already.', { about: id })
      const can = ready(uid)
      return can.ok ? ok(await undoClosed(record.value, cause)) : can
    },

    rollback: async (uid) => {
      const undone: RunRecord[] = []
      const first = ownOpen(uid)
      if (first !== null) {
        stopRun(first, 'user-undo')
        await settled(first)
        undone.push(structuredClone(first.record))
      }
      for (const record of undoable(uid)) {
        if (undone.some((other) => other.id === record.id)) continue
        const can = ready(uid)
        // What waits for memory stays open; the rest is undone in a later call.
        if (!can.ok) return undone.length > 0 ? ok(undone) : can
        undone.push(await undoClosed(record, 'user-undo'))
      }
      return ok(undone)
    },

    cancel: async (uid, runId) => {
      const record = load(uid, runId)
      if (!record.ok) return record
      const run = current()
      if (run === null || run.record.id !== runId) return noSuchRun(runId)
      stopRun(run, 'user-cancel')
      await settled(run)
      return ok(summaryOf(structuredClone(run.record)))
    },

    runs: (uid) =>
      ok(
        store
          .ids()
          .flatMap((id) => (current()?.record.id === id ? (current()?.record ?? []) : (store.load(id) ?? [])))
          .filter((record) => mine(uid, record) && (isOpen(record.state) || record.state === 'kept' || record.state === 'partly-undone'))
          .toSorted(newestFirst)
          .map((record) => summaryOf(structuredClone(record))),
      ),

    run: (uid, runId) => {
      const record = load(uid, runId)
      return record.ok ? ok(structuredClone(record.value)) : record
    },

    openRunId: () => current()?.record.id ?? null,

    guardUndid: async (runId) => {
      const run = current()
      if (run === null || run.record.id !== runId || run.record.state === 'undoing') return
      stopRun(run, 'watchdog')
      await run.decided
    },

    callerGone: async (runId) => {
      const run = current()
      if (run === null || run.record.id !== runId || run.record.state === 'undoing') return
      stopRun(run, 'caller-gone')
      await run.decided
    },

    recover: async () => {
      let can = ready(0)
      // A helper that was killed holds the lock until the system call it is in (swapon, reset of a device) has ended.
      for (let waitedMs = 0; !can.ok && can.error.code === 'busy' && waitedMs < DYING_LIMIT_MS; waitedMs += DYING_LOOK_MS) {
        await engine.sleep(DYING_LOOK_MS, new AbortController().signal)
        can = ready(0)
      }
      if (!can.ok) throw new Error(can.error.message)
      return recoverRuns(engine, undoClosed, async () => {
        await latest?.finished
      })
    },

    close: async () => {
      closed = true
      const run = latest
      if (run !== null) {
        stopRun(run, 'caller-gone')
        await run.decided.catch(() => {})
        stopWaiting(run)
        await run.finished.catch(() => {})
      }
      lock?.release()
      lock = null
    },
  }
  return manager
}
