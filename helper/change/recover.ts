import type { Cause } from '../contract/cause.ts'
import { isOpen, type RunRecord } from '../contract/runs.ts'
import { journalState, listJournals, readJournal } from './journal.ts'
import type { Engine } from './open-run.ts'

/** What stands in for a record that a crash or a full disk has lost: the journal is enough to undo. */
const nameless = (engine: Engine, runId: string): RunRecord => ({
  version: 1,
  id: runId,
  uid: 0,
  presetId: 'unknown',
  presetTitle: 'Unknown preset',
  cause: 'startup-recovery',
  state: 'applying',
  startedAtMs: engine.now(),
  endedAtMs: null,
  plan: { version: 1, digest: '0'.repeat(64), kernelRelease: '', steps: [], skipped: [], notes: ['The record of this run was lost; it was undone from its journal.'] },
  steps: [],
  treated: [],
  control: [],
  before: [],
  after: null,
  confirmUntilMs: null,
  undo: [],
  undoCause: null,
  error: null,
})

/**
 * At start: an open journal is one that nobody confirmed, so its run is undone,
 * newest first; a kept one of an earlier boot loses what lasts across boots;
 * records that say a run is open though no journal is are closed.
 */
export const recoverRuns = async (engine: Engine, undo: (record: RunRecord, cause: Cause) => Promise<RunRecord>, idle: () => Promise<void>): Promise<RunRecord[]> => {
  const changed: RunRecord[] = []
  const unconfirmed = listJournals(engine.journalDir, 'open').toReversed()
  const stale = listJournals(engine.journalDir, 'kept')
    .toReversed()
    .filter((runId) => {
      const journal = readJournal(engine.journalDir, runId, 'kept')
      return journal.ok && journal.value.header.bootId !== engine.bootId()
    })
  const restarted = new Set(stale)
  const causeOf = (runId: string): Cause => (engine.guard.undid(runId) ? 'watchdog' : 'startup-recovery')
  for (const runId of [...unconfirmed, ...stale]) {
    // One that waits for memory is finished before an older one is begun.
    await idle()
    changed.push(await undo(engine.store.load(runId) ?? nameless(engine, runId), restarted.has(runId) ? 'restart' : causeOf(runId)))
  }
  for (const runId of engine.store.ids()) {
    const record = engine.store.load(runId)
    if (record === null || !isOpen(record.state) || changed.some((other) => other.id === runId)) continue
    const journal = journalState(engine.journalDir, runId)
    if (journal === 'open') continue
    // Killed between the rename that decided and the record, or before the first change.
    record.state = journal === 'kept' && record.state === 'waiting' ? 'kept' : journal === 'kept' ? 'partly-undone' : 'undone'
    record.undoCause = record.state === 'kept' ? null : (record.undoCause ?? causeOf(record.id))
    record.confirmUntilMs = null
    record.endedAtMs = engine.now()
    engine.store.save(record)
    changed.push(record)
  }
  return changed
}
