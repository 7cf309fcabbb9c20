import type { ProcessRef } from '../../../helper/contract/agents.ts'
import type { Result, Failure } from '../../../helper/contract/errors.ts'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { GuardWord, LifecycleEvent } from '../../../helper/contract/lifecycle.ts'
import type { RunRecord } from '../../../helper/contract/runs.ts'
import type { Snapshot } from '../../../helper/contract/snapshot.ts'
import type { Finding, JournalEntry } from '../../contract/diagnosis.ts'
import type { JournalFileEntry } from '../../contract/journal-file.ts'
import type { HistoryEvent, RunDetail, RunView, Series, SnapshotInfo } from '../../contract/views.ts'
import type { JournalPage, JournalSearch, JournalTotals, NewEntry, RunOrigin } from './journal.ts'
import type { KeptFindings } from './look-store.ts'
import type { PastSuspension, Timeline } from './lifecycle.ts'

/**
 * Ids of the series that history keeps. `agent:<agent id>` is one agent's cost.
 * Unknown ids are answered with a series of gaps, never with an error.
 */
export const MACHINE_SERIES = [
  'machine.available',
  'machine.agents',
  'machine.compressed',
  'machine.free',
  'machine.pressure',
  'machine.cache',
  'machine.swap',
] as const
export type MachineSeriesId = (typeof MACHINE_SERIES)[number]
export type SeriesId = MachineSeriesId | `agent:${string}` | `process:${string}`

export const agentSeriesId = (agentId: string): SeriesId => `agent:${agentId}`
/** `process:<boot id>:<pid>:<start>`, and `@<agent id>` where it belongs to one. */
export const processSeriesId = (bootId: string, { pid, startTimeTicks }: ProcessRef, agentId: string | null): SeriesId => `process:${bootId}:${pid}:${startTimeTicks}${agentId === null ? '' : `@${agentId}`}`
/** What such an id stands for; null for another one. */
export const processOfSeries = (id: string): { pid: number; startTicks: number; agentId: string | null } | null => {
  const match = /^process:[^:]+:(?<pid>\d+):(?<start>\d+)(?:@(?<agent>.+))?$/u.exec(id)?.groups
  return match === undefined ? null : { pid: Number(match['pid']), startTicks: Number(match['start']), agentId: match['agent'] ?? null }
}

/** One second of the machine; null is "not known then" and becomes a gap. */
export interface MachineSample {
  availableBytes: number | null
  /** Cost of all agents together; null on the seconds in which nobody measured them. */
  agentsCostBytes: number | null
  /** Bytes of the compressed pool (zswap and zram together). */
  compressedBytes: number | null
  freeBytes: number | null
  /** Memory pressure, "some" avg10, in percent. */
  pressurePercent: number | null
  /** File cache (Cached + Buffers). */
  cacheBytes: number | null
  /** Swap in use, uncompressed. */
  swapUsedBytes: number | null
}

/** One agent at one look; leave out the agents that were not measured. */
export interface AgentSample {
  id: string
  kind: string
  title: string
  name: string
  costBytes: number
}

/** What one process held of its own, in memory and swap. */
export interface ProcessSample {
  id: SeriesId
  label: string
  bytes: number
}

export interface SeriesRequest {
  fromMs: number
  toMs: number
  series: readonly string[]
  /** Upper bound on the points of one series; coarser steps are chosen to stay below. */
  maxPoints: number
}

/** What the window's pages and the reports ask. Reads never wait for a writer. */
export interface HistoryReader {
  /**
   * `resolutionMs` is the step between points: that of the roll-up level used
   * (1 s, 10 s, 5 min) or a whole multiple of it. See aggregation.ts for what a
   * point stands for. Where no sample fell, the value is null.
   */
  series(request: SeriesRequest): Series
  agentSeries(agentId: string, range: { fromMs: number; toMs: number; maxPoints: number }): Series
  /** Agents and processes of which anything is known since then. */
  growing(fromMs: number): readonly { id: string; label: string }[]
  /** Newest first. */
  events(range: { fromMs: number; toMs: number; limit: number }): HistoryEvent[]
  /** Newest first. */
  runs(limit: number): RunView[]
  run(id: string): RunDetail | null
  /** Newest first. */
  snapshots(limit: number): SnapshotInfo[]
  snapshotInfo(id: number): SnapshotInfo | null
  snapshot(id: number): Snapshot | null
  /** One side of a run: the last look before it, or the one after. */
  runSnapshot(runId: string, side: 'before' | 'after'): Snapshot | null
  /**
   * States of one agent, oldest first: the last change at or before `fromMs`,
   * so that a band can begin there, then those in the range.
   */
  timeline(agentId: string, range: { fromMs: number; toMs: number }): Timeline
  /** Suspensions of all agents that reach into the range, oldest first. */
  suspensions(range: { fromMs: number; toMs: number }): PastSuspension[]
  /** How far this spool of the session role was taken in; 0 for an unknown one. */
  afterSeq(spool: string): number
  /** True while the desktop has not shown a word of the guard from `sinceMs` on. */
  hasUntoldWords(sinceMs: number): boolean
  /** Entries that hold all words of `text`, or all. */
  journal(search: JournalSearch): JournalPage
  journalTotals(): JournalTotals
  journalEntry(id: number): JournalEntry | null
  /** The whole journal, oldest first: what an export writes. */
  journalAll(): JournalFileEntry[]
  /** What came of this solution before, and of its preset however it was started; newest first, one a run. */
  outcomesOf(rule: string, solution: string, presetId: string | null, limit: number): JournalEntry[]
  /** When this was last written down as found; null when never. */
  foundAtMs(rule: string, subject: string): number | null
  /** The finding and solution that a run was started from, as far as any. */
  originOf(runId: string): RunOrigin | null
  /** Looks of this boot since then, oldest first; where there are more, `limit` from all of the time. */
  looks(bootId: string, sinceMs: number, limit: number): Evidence[]
  /** What was found when this run was measured. */
  findingsOfRun(runId: string): KeptFindings | null
  /** The newest that were found in this range. */
  findingsBetween(fromMs: number, toMs: number): KeptFindings | null
}

/**
 * What the app stores. Each call is one transaction: it is there whole or not
 * at all. A full disk is the failure `disk-full`; the app goes on without.
 */
export interface HistoryWriter {
  /** Before the helper is asked, so that a crash leaves evidence. */
  startRun(record: RunRecord): Result<void>
  /** Replaces the record; takes in the snapshots that it has by now. */
  updateRun(record: RunRecord): Result<void>
  /** The record, its snapshots, gain and noise; also after keep, undo and recovery. */
  finishRun(record: RunRecord): Result<void>
  /** Answers the id of the stored snapshot. */
  addSnapshot(snapshot: Snapshot, label: string, origin: SnapshotInfo['origin'], runId: string | null): Result<number>
  /** At most one look a second is kept; a second one in the same second replaces the first. */
  addSamples(atMs: number, machine: MachineSample, agents: readonly AgentSample[], processes?: readonly ProcessSample[]): Result<void>
  /** Answers the id of the event. */
  addEvent(event: Omit<HistoryEvent, 'id'>): Result<number>
  /**
   * Takes in lines of the session role's spool; ones that are known already
   * change nothing. Answers how many were new.
   */
  takeLifecycle(spool: string, events: readonly LifecycleEvent[], nowMs: number): Result<number>
  /** The guard's words since `sinceMs` that were not shown yet, oldest first; they count as shown now. */
  tellWords(sinceMs: number): Result<GuardWord[]>
  /** Answers the id, or null where the same was written already (a run ends once). */
  addToJournal(entry: NewEntry): Result<number | null>
  /** The user's words on an entry; `title` renames one that is a note itself. */
  setNote(id: number, note: string, title: string | null): Result<void>
  /** Merges another journal into this one. */
  takeJournal(entries: readonly JournalFileEntry[]): Result<{ added: number; known: number }>
  /** Keeps the newest few. */
  addLook(look: Evidence): Result<void>
  addFindings(atMs: number, runId: string | null, findings: readonly Finding[]): Result<void>
  /** Sums finished seconds up into coarser levels and drops what the finer ones need no more. Call about once a minute. */
  rollUp(nowMs: number): Result<void>
  /** Drops what is older than `historyDays`, except runs that can still be undone. Call at start and once a day. */
  prune(nowMs: number, historyDays: number): Result<void>
}

export interface History {
  readonly reader: HistoryReader
  readonly writer: HistoryWriter
  /** Sentences for the user about opening: "a damaged file was moved aside ...". Empty when all is well. */
  readonly notices: readonly string[]
  /** The last write's failure; null as soon as a write succeeds again. */
  trouble(): Failure | null
  close(): void
}
