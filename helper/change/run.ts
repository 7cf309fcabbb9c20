import { fail } from '../contract/result.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { nothingToUndo, type Plan } from '../contract/plan.ts'
import { ksmPath } from '../plan/paths.ts'
import { ratioOf } from '../plan/tunable-paths.ts'
import type { StepContext } from './context.ts'
import { createJournal, journalPath, moveJournal } from './journal.ts'
import { accessOf, announce, bug, report, setState, stopRun, type ApplyRequest, type Engine, type OpenRun, type Stop } from './open-run.ts'
import { performStep } from './perform.ts'
import { lowersRate, lowerWhenFlat } from './settle.ts'
import { takeBack } from './take-back.ts'

/** Shares of the progress bar. */
const APPLYING = 0.1
const SETTLING = 0.5
const SETTLED = 0.95
const TICK_MS = 1000

const cancelled = (open: OpenRun): Stop => open.stop ?? { cause: 'user-cancel', error: null }

/** All sides are looked at in one way, the agents named by the caller included. */
const look = (engine: Engine, open: OpenRun, request: ApplyRequest): Promise<Snapshot> => engine.takeSnapshot(open.record.uid, [...request.agents, ...request.control])

const lookBefore = async (engine: Engine, open: OpenRun, request: ApplyRequest): Promise<Stop | null> => {
  const { record, abort } = open
  report(engine, open, 0, 'Measuring before the change')
  record.before.push(await look(engine, open, request))
  const gapMs = Math.max(engine.pace.noiseGapMs, request.watchMs ?? 0)
  for (let leftMs = gapMs; leftMs > 0 && open.stop === null; leftMs -= TICK_MS) {
    if (request.watchMs !== undefined) report(engine, open, (APPLYING * (1 - leftMs / gapMs)) / 2, `Watching before the change, ${Math.ceil(leftMs / 1000)} s left`)
    await engine.sleep(Math.min(TICK_MS, leftMs), abort.signal)
  }
  if (open.stop !== null) return cancelled(open)
  report(engine, open, APPLYING / 2, 'Measuring once more, for the noise')
  record.before.push(await look(engine, open, request))
  return open.stop === null ? null : cancelled(open)
}

const applySteps = async (engine: Engine, open: OpenRun, context: StepContext, at: { fraction: number }): Promise<Stop | null> => {
  const { record } = open
  const { steps } = record.plan
  for (const [index, step] of steps.entries()) {
    if (open.stop !== null) return cancelled(open)
    at.fraction = APPLYING + ((SETTLING - APPLYING) * index) / steps.length
    report(engine, open, at.fraction, `${step.target}: ${step.new}`)
    const outcome = await performStep(context, step)
    record.steps.push(outcome)
    engine.store.save(record)
    // A step that was interrupted because the run was cancelled has not failed.
    if (outcome.outcome === 'failed' && open.stop === null) return { cause: 'step-failed', error: outcome.error }
  }
  return open.stop === null ? null : cancelled(open)
}

const settle = async (engine: Engine, open: OpenRun, settleMs: number, at: { fraction: number }): Promise<void> => {
  for (let leftMs = settleMs; leftMs > 0 && open.stop === null; leftMs -= TICK_MS) {
    at.fraction = SETTLED - ((SETTLED - SETTLING) * leftMs) / settleMs
    report(engine, open, at.fraction, `Settling, ${Math.ceil(leftMs / 1000)} s left`)
    await engine.sleep(Math.min(TICK_MS, leftMs), open.abort.signal)
  }
}

/** Silence undoes: by the wall clock, which also counts while the machine is suspended, or by the time waited. */
const waitForAnswer = async (engine: Engine, open: OpenRun, confirmMs: number): Promise<Stop | null> => {
  const { record } = open
  const answered = new AbortController()
  let leftMs = confirmMs
  let untilMs = engine.now() + confirmMs
  record.confirmUntilMs = untilMs
  open.keep = () => answered.abort()
  // Nobody holds up the other users of a machine by not answering, be it a session that hangs.
  open.hurry = () => {
    open.hurry = undefined
    leftMs = Math.min(leftMs, engine.pace.othersWaitMs)
    untilMs = Math.min(untilMs, engine.now() + leftMs)
    record.confirmUntilMs = untilMs
    engine.store.save(record)
    report(engine, open, 1, 'Keep or undo? Another user of this computer is waiting')
  }
  setState(engine, open, 'waiting')
  engine.checkpoint('waiting')
  report(engine, open, 1, 'Keep or undo?')
  announce(engine, open)
  const signal = AbortSignal.any([answered.signal, open.abort.signal])
  for (; leftMs > 0 && !signal.aborted && engine.now() < untilMs; leftMs -= TICK_MS) await engine.sleep(Math.min(TICK_MS, leftMs), signal)
  open.keep = undefined
  open.hurry = undefined
  if (open.stop === null && !answered.signal.aborted) stopRun(open, 'confirm-timeout')
  return open.stop
}

/** Kernel files of the plan, and those that lowering the scan rate writes later: the guard opens them before anything is changed. */
const writtenPaths = (plan: Plan, settings: ApplyRequest['settings']): string[] => {
  const paths = plan.steps.flatMap(({ operation }) => (operation.op === 'write' || operation.op === 'write-first-kept' ? [operation.path, ratioOf(operation.path) ?? operation.path] : []))
  const rate = settings.ksm?.mode === 'merge' && settings.ksm.lowerWhenFlat === true ? [ksmPath('pages_to_scan'), ksmPath('sleep_millisecs')] : []
  return [...new Set([...paths, ...rate])]
}

const forward = async (engine: Engine, open: OpenRun, request: ApplyRequest): Promise<Stop | null> => {
  const { record, abort } = open
  const early = await lookBefore(engine, open, request)
  if (early !== null) return early

  const journal = createJournal(engine.journalDir, { bootId: engine.bootId(), runId: record.id, role: 'system' })
  if (!journal.ok) return { cause: 'step-failed', error: journal.error }
  open.journal = journal.value
  engine.checkpoint('journal made')
  const armed = await engine.guard.arm({ runId: record.id, uid: record.uid, journalPath: journalPath(engine.journalDir, record.id, 'open'), paths: writtenPaths(record.plan, request.settings) })
  if (!armed.ok) return { cause: 'step-failed', error: armed.error }
  engine.checkpoint('guard armed')
  const at = { fraction: APPLYING }
  const context: StepContext = {
    ...accessOf(engine, open, () => at.fraction),
    uid: record.uid,
    journal: journal.value,
    signal: abort.signal,
    reclaimProgram: engine.reclaimProgram,
    zramNode: null,
  }
  setState(engine, open, 'applying')
  const stopped = await applySteps(engine, open, context, at)
  if (stopped !== null) return stopped

  setState(engine, open, 'settling')
  const kept = new AbortController()
  const lowering = lowersRate(request.settings, context) ? lowerWhenFlat(engine, context, kept.signal) : Promise.resolve()
  try {
    await settle(engine, open, request.settleMs, at)
    if (open.stop !== null) return cancelled(open)
    report(engine, open, SETTLED, 'Measuring after the change')
    record.after = await look(engine, open, request)
    if (open.stop !== null) return cancelled(open)
    // Pruned caches and paged-out agents fill again by themselves: asking whether to keep that would be a question without a meaning.
    const answer = nothingToUndo(record.plan) ? null : await waitForAnswer(engine, open, request.confirmMs)
    if (answer !== null) return answer
  } finally {
    // Before the journal is closed: the rate is lowered now at the latest, or never when the run goes back.
    if (open.stop === null) kept.abort()
    else abort.abort()
    await lowering
  }
  return null
}

const keepRun = (engine: Engine, open: OpenRun): Stop | null => {
  open.journal?.close()
  open.journal = null
  // The rename is the moment of decision: after a crash the run is kept or it is not.
  const moved = moveJournal(engine.journalDir, open.record.id, 'open', 'kept')
  engine.checkpoint('kept')
  if (!moved.ok) return { cause: 'step-failed', error: moved.error }
  open.record.confirmUntilMs = null
  open.record.endedAtMs = engine.now()
  setState(engine, open, 'kept')
  report(engine, open, 1, nothingToUndo(open.record.plan) ? 'Done' : 'Kept until undo or restart')
  announce(engine, open)
  return null
}

/** A run from its first look to kept or undone. Never rejects: a bug takes back what had been done. */
export const driveRun = async (engine: Engine, open: OpenRun, request: ApplyRequest): Promise<{ finished: Promise<void> }> => {
  let stop: Stop | null
  try {
    stop = await forward(engine, open, request)
    if (stop === null) stop = keepRun(engine, open)
  } catch (error) {
    stop = { cause: 'step-failed', error: bug(error) }
  }
  if (stop === null) return { finished: Promise.resolve() }
  const error = stop.cause === 'user-cancel' ? fail('cancelled', 'The run was cancelled; what had been done was taken back.').error : stop.error
  return takeBack(engine, open, stop.cause, error)
}
