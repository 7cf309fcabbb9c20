import type Database from 'better-sqlite3'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import type { HistoryEvent } from '../../contract/views.ts'
import { attempt } from './failures.ts'
import { createJournalStore } from './journal.ts'
import { createLifecycleStore } from './lifecycle.ts'
import { createLookStore } from './looks.ts'
import { queries } from './queries.ts'
import { createRunStore } from './runs.ts'
import { createSampleStore } from './samples.ts'
import { createSeriesReader } from './series.ts'
import { agentSeriesId, type History, type HistoryReader, type HistoryWriter } from './types.ts'

/** Reader and writer over one open, migrated database. */
export const createHistory = (db: Database.Database, path: string, notices: readonly string[]): History => {
  const runs = createRunStore(db)
  const series = createSeriesReader(db)
  const samples = createSampleStore(db)
  const journal = createJournalStore(db)
  const looks = createLookStore(db)
  let trouble: Failure | null = null

  const selectEvents = db.prepare<[number, number, number], HistoryEvent>(queries.events)
  const insertEvent = db.prepare('INSERT INTO event (at_ms, kind, text, run_id, agent_id) VALUES (?, ?, ?, ?, ?)')
  const selectGrowing = db.prepare<[number, number], { id: string; label: string }>(queries.growing)
  const dropEvents = db.prepare(queries.dropEvents)
  const addEvent = ({ atMs, kind, text, runId, agentId }: Omit<HistoryEvent, 'id'>): number => Number(insertEvent.run(Math.round(atMs), kind, text, runId, agentId).lastInsertRowid)
  const lifecycle = createLifecycleStore(db, addEvent)

  /** One transaction that takes the write lock at once, so that it waits for another process instead of failing. */
  const write = <T>(work: () => T): Result<T> => {
    let committed = false
    try {
      const result = attempt(path, () => db.transaction(work).immediate())
      committed = result.ok
      trouble = result.ok ? null : result.error
      return result
    } finally {
      // What a rolled back transaction had remembered (series keys) is not in the file.
      if (!committed) samples.forget()
    }
  }

  const reader: HistoryReader = {
    series,
    agentSeries: (agentId, range) => series({ ...range, series: [agentSeriesId(agentId)] }),
    growing: (fromMs) => selectGrowing.all(Math.floor(fromMs / 1000), Math.floor(fromMs / 1000)).toSorted((a, b) => a.id.localeCompare(b.id)),
    events: ({ fromMs, toMs, limit }) => selectEvents.all(fromMs, toMs, limit),
    runs: runs.runs,
    run: runs.run,
    snapshots: runs.snapshots,
    snapshotInfo: runs.snapshotInfo,
    snapshot: runs.snapshot,
    runSnapshot: runs.runSnapshot,
    timeline: (agentId, { fromMs, toMs }) => lifecycle.timeline(agentId, fromMs, toMs),
    suspensions: ({ fromMs, toMs }) => lifecycle.suspensions(fromMs, toMs),
    afterSeq: lifecycle.afterSeq,
    hasUntoldWords: lifecycle.hasUntold,
    journal: journal.search,
    journalTotals: journal.totals,
    journalEntry: journal.entry,
    journalAll: journal.all,
    outcomesOf: journal.outcomesOf,
    foundAtMs: journal.foundAtMs,
    originOf: journal.originOf,
    looks: looks.looks,
    findingsOfRun: looks.findingsOfRun,
    findingsBetween: looks.findingsBetween,
  }

  const storeRun: HistoryWriter['startRun'] = (record) => write(() => runs.storeRun(record))
  const writer: HistoryWriter = {
    startRun: storeRun,
    updateRun: storeRun,
    finishRun: storeRun,
    addSnapshot: (snapshot, label, origin, runId) => write(() => runs.addSnapshot(snapshot, label, origin, runId)),
    addSamples: (atMs, machine, agents, processes = []) => write(() => samples.addSamples(atMs, machine, agents, processes)),
    addEvent: (event) => write(() => addEvent(event)),
    takeLifecycle: (spool, events, nowMs) => write(() => lifecycle.take(spool, events, nowMs)),
    tellWords: (sinceMs) => write(() => lifecycle.tellWords(sinceMs)),
    addToJournal: (entry) => write(() => journal.add(entry)),
    setNote: (id, note, title) => write(() => { journal.note(id, note, title) }),
    takeJournal: (entries) => write(() => journal.take(entries)),
    addLook: (look) => write(() => { looks.addLook(look) }),
    addFindings: (atMs, runId, findings) => write(() => { looks.addFindings(atMs, runId, findings) }),
    rollUp: (nowMs) => write(() => samples.rollUp(nowMs)),
    prune: (nowMs, historyDays) => {
      const beforeMs = nowMs - historyDays * 86_400_000
      const result = write(() => {
        samples.prune(nowMs, historyDays)
        runs.prune(beforeMs)
        dropEvents.run(beforeMs)
        lifecycle.prune(beforeMs)
        journal.prune(beforeMs)
        looks.prune(beforeMs)
      })
      // Gives the pages back to the disk; outside the transaction, it has its own.
      return result.ok ? write(() => void db.pragma('incremental_vacuum')) : result
    },
  }

  return {
    reader,
    writer,
    notices,
    trouble: () => trouble,
    close: () => {
      db.close()
    },
  }
}
