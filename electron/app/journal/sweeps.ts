import type { LifecycleCause, Suspension } from '../../../helper/contract/lifecycle.ts'
import type { JournalEntry } from '../../contract/diagnosis.ts'
import type { HistoryReader } from '../history/types.ts'
import { deedId } from './filing.ts'

/**
 * Agents that were suspended together are one entry, whatever their number, and
 * known by when the first and the last of them went to sleep: so whoever wakes
 * them finds the entry it belongs to, and two programs that write the same
 * sweep write it once.
 */
export interface Sweep {
  readonly runId: string
  /** By the policy or under pressure, not because the user said so. */
  readonly byItself: boolean
  readonly fromMs: number
  readonly toMs: number
  readonly gainBytes: number | null
}

type Times = Pick<Suspension, 'sinceMs'>

export const sweepId = (byItself: boolean, suspended: readonly Times[]): string => {
  const times = suspended.map(({ sinceMs }) => Math.round(sinceMs))
  return `${byItself ? 'policy' : 'sweep'}-${Math.min(...times)}-${Math.max(...times)}`
}

const sweepOf = ({ runId, gainBytes }: JournalEntry): Sweep[] => {
  const [, kind, from, to] = /^(sweep|policy)-(\d{1,16})-(\d{1,16})$/u.exec(runId ?? '') ?? []
  return runId === null || from === undefined || to === undefined ? [] : [{ runId, byItself: kind === 'policy', fromMs: Number(from), toMs: Number(to), gainBytes: gainBytes.value }]
}

/** More than a working week of them. */
const MOST_SWEEPS = 200

/** Newest first. */
export const sweepsOf = (reader: Pick<HistoryReader, 'outcomesOf'>): readonly Sweep[] => reader.outcomesOf('', '', deedId('suspend'), MOST_SWEEPS).flatMap(sweepOf)

/** A time between two whole milliseconds was rounded. */
const SLACK_MS = 1
/** The sweep in which an agent went to sleep at this time. */
export const sweepAt = (sweeps: readonly Sweep[], sinceMs: number): Sweep | null => sweeps.find(({ fromMs, toMs }) => sinceMs >= fromMs - SLACK_MS && sinceMs <= toMs + SLACK_MS) ?? null

const BY_ITSELF: readonly LifecycleCause[] = ['policy', 'pressure', 'guard']
/** No other agent went to sleep by itself for so long: the sweep is over. */
const QUIET_MS = 10 * 60_000
/** Where the policy never pauses, what it did is told this often. */
const LONGEST_MS = 3600_000
/** What happened before is the timeline's alone. */
const BACK_MS = 24 * 3600_000

/** Those that went to sleep by themselves and are in no entry yet; empty while more may follow. */
export const untoldSweep = (reader: Pick<HistoryReader, 'outcomesOf' | 'suspensions'>, nowMs: number): readonly Suspension[] => {
  const told = Math.max(nowMs - BACK_MS, ...sweepsOf(reader).filter(({ byItself }) => byItself).map(({ toMs }) => toMs))
  const found = reader.suspensions({ fromMs: told, toMs: nowMs }).map(({ suspension }) => suspension).filter(({ sinceMs, cause }) => Math.round(sinceMs) > told && BY_ITSELF.includes(cause))
  const times = found.map(({ sinceMs }) => sinceMs)
  return nowMs - Math.max(...times) >= QUIET_MS || nowMs - Math.min(...times) >= LONGEST_MS ? found : []
}
