import { agentSeriesId, processOfSeries, type HistoryReader } from '../history/types.ts'
import { leakSubject } from './rules/leaks-of-history.ts'
import { findLeaks, type Growth, type LeakThresholds } from './leaks.ts'
import type { Leak } from '../../contract/diagnosis.ts'

/** Points of a curve: enough for garbage collections to show. */
const POINTS = 720
/** Series read at once, so that nobody waits long for the database. */
const AT_ONCE = 32

const AGENT = agentSeriesId('')

const subjectOf = (id: string, label: string): Growth['subject'] => {
  const process = processOfSeries(id)
  return process === null ? { of: 'agent', agentId: id.slice(AGENT.length), title: label } : { of: 'process', title: label, ...process }
}

/** Curves of all agents and processes that history knows since `fromMs`, or of those wanted, oldest point first. */
export const growthsSince = (reader: Pick<HistoryReader, 'growing' | 'series'>, fromMs: number, toMs: number, isWanted: (subject: Growth['subject']) => boolean = () => true): Growth[] => {
  const known = reader.growing(fromMs).filter(({ id, label }) => isWanted(subjectOf(id, label)))
  const growths: Growth[] = []
  for (let at = 0; at < known.length; at += AT_ONCE) {
    const some = known.slice(at, at + AT_ONCE)
    const { atMs, series } = reader.series({ fromMs, toMs, series: some.map(({ id }) => id), maxPoints: POINTS })
    for (const { id, label, values } of series) growths.push({ subject: subjectOf(id, label), points: values.map((bytes, i) => ({ atMs: atMs[i] ?? 0, bytes })) })
  }
  return growths
}

/** So far back a leak is looked for where nobody says otherwise. */
const LEAKS_FOR_MS = 8 * 3600_000

/** Who grows, of those that history knows; see leaks.ts. */
export const leaksSince = (reader: Pick<HistoryReader, 'growing' | 'series'>, fromMs: number, toMs: number, thresholds: LeakThresholds): Leak[] =>
  findLeaks(growthsSince(reader, fromMs, toMs), thresholds)

/** What may have been looked at when it was shown: the window's choices, and some between them for the command line's. */
const SPANS_HOURS = [1, 2, 4, 8, 24, 72, 168] as const
const ANY_GROWTH: LeakThresholds = { bytesPerHour: 0, percentPerHour: 0 }

/** One subject, by each span and the least of limits: whichever it was shown by is among them. */
export const growthOfOne = (reader: Pick<HistoryReader, 'growing' | 'series'>, subject: string, nowMs: number): Leak[] =>
  SPANS_HOURS.flatMap((hours) => findLeaks(growthsSince(reader, nowMs - hours * 3600_000, nowMs, (each) => leakSubject({ subject: each }) === subject), ANY_GROWTH))

/** Who grew in the last hours, no older than asked for: all curves are gone through, which takes longer than all rules. */
export const createLeakWatch = (reader: Pick<HistoryReader, 'growing' | 'series'>, now: () => number, thresholds: LeakThresholds): ((mostAgeMs: number) => readonly Leak[]) => {
  let told: { readonly atMs: number; readonly leaks: readonly Leak[] } | null = null
  return (mostAgeMs) => {
    const atMs = now()
    // A clock that was set back says nothing of how old an answer is.
    if (told === null || atMs < told.atMs || atMs - told.atMs > mostAgeMs) told = { atMs, leaks: leaksSince(reader, atMs - LEAKS_FOR_MS, atMs, thresholds) }
    return told.leaks
  }
}
