import type { Cause } from '../contract/cause.ts'
import type { Failure } from '../contract/errors.ts'
import type { UndoLine } from '../contract/runs.ts'
import { journalState, moveJournal, readJournal, type JournalState } from './journal.ts'
import { accessOf, announce, report, setState, type Engine, type OpenRun } from './open-run.ts'
import { undoRecords } from './undo.ts'

/** What a second pass finds restored was restored by the first. */
const merged = (before: readonly UndoLine[], now: readonly UndoLine[]): UndoLine[] =>
  now.map((line, index) => {
    const first = before[index]
    return first?.outcome === 'restored' && line.outcome === 'already-so' && first.target === line.target ? first : line
  })

const waits = (lines: readonly UndoLine[]): boolean => lines.some((line) => line.outcome === 'waiting-for-memory')

const onePass = async (engine: Engine, open: OpenRun, from: JournalState): Promise<UndoLine[]> => {
  const { record } = open
  const journal = readJournal(engine.journalDir, record.id, from)
  if (!journal.ok) return [{ target: `journal of run ${record.id}`, old: null, found: null, outcome: 'failed', reason: journal.error.message }]
  const { records, damaged, header } = journal.value
  let doneCount = 0
  const access = accessOf(engine, open, () => doneCount / Math.max(1, records.length))
  const lines = await undoRecords(access, records, {
    sameBoot: header.bootId === engine.bootId(),
    onLine: (sofar) => {
      doneCount = sofar.length
      report(engine, open, doneCount / Math.max(1, records.length), `Taking back ${sofar.at(-1)?.target ?? ''}`)
    },
  })
  const unreadable = damaged.map((number): UndoLine => ({ target: `line ${number} of the journal`, old: null, found: null, outcome: 'failed', reason: 'The line is damaged: what it would have taken back is not known.' }))
  return [...lines, ...unreadable]
}

const finish = (engine: Engine, open: OpenRun, from: JournalState, error: Failure | null): void => {
  const { record } = open
  const incomplete = record.undo.some((line) => line.outcome !== 'restored' && line.outcome !== 'already-so')
  record.state = incomplete ? 'partly-undone' : error !== null && record.undoCause === 'step-failed' ? 'failed' : 'undone'
  record.endedAtMs = engine.now()
  record.confirmUntilMs = null
  // One that is not wholly undone can be undone again, and is cleaned up after a reboot, as a kept one is.
  moveJournal(engine.journalDir, record.id, from, incomplete ? 'kept' : 'undone')
  engine.checkpoint('journal closed')
  engine.store.save(record)
  announce(engine, open)
}

/**
 * Undoes a run from its journal on disk: the same way after a failing step, a
 * late "undo" and a crash. Resolves after the first pass; what has to wait for
 * memory goes on in `finished`, and the run stays open until then.
 */
export const takeBack = async (engine: Engine, open: OpenRun, cause: Cause, error: Failure | null): Promise<{ finished: Promise<void> }> => {
  const { record } = open
  open.journal?.close()
  open.journal = null
  record.undoCause = cause
  record.error = error
  record.confirmUntilMs = null
  setState(engine, open, 'undoing')
  report(engine, open, 0, 'Taking everything back')
  const from = journalState(engine.journalDir, record.id)
  if (from === null || from === 'undone') {
    // Nothing had been changed: the journal is made right before the first change.
    record.state = error !== null && cause === 'step-failed' ? 'failed' : 'undone'
    record.endedAtMs = engine.now()
    engine.store.save(record)
    announce(engine, open)
    return { finished: Promise.resolve() }
  }
  record.undo = await onePass(engine, open, from)
  if (!waits(record.undo)) {
    finish(engine, open, from, error)
    return { finished: Promise.resolve() }
  }
  engine.store.save(record)
  return { finished: retry(engine, open, from, error) }
}

const retry = async (engine: Engine, open: OpenRun, from: JournalState, error: Failure | null): Promise<void> => {
  const { record } = open
  const never = closing(open)
  for (let waitedMs = 0; waits(record.undo) && waitedMs < engine.pace.giveUpMs; waitedMs += engine.pace.retryMs) {
    const waiting = record.undo.find((line) => line.outcome === 'waiting-for-memory')
    report(engine, open, 0.9, `Waiting for free memory: ${waiting?.reason ?? ''}`)
    await engine.sleep(engine.pace.retryMs, never)
    // Closing leaves the journal as it is: the next start goes on.
    if (never.aborted) return
    record.undo = merged(record.undo, await onePass(engine, open, from))
    engine.store.save(record)
  }
  finish(engine, open, from, error)
}

const closers = new WeakMap<OpenRun, AbortController>()

const closing = (open: OpenRun): AbortSignal => {
  const controller = closers.get(open) ?? new AbortController()
  closers.set(open, controller)
  return controller.signal
}

/** Stops waiting for memory; the next start goes on from the journal. */
export const stopWaiting = (open: OpenRun): void => {
  closing(open)
  closers.get(open)?.abort()
}
