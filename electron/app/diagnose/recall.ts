import type { Evidence } from '../../../helper/contract/evidence.ts'
import { TUNABLE_FILES } from '../../../helper/observe/tunables.ts'
import { ZSWAP_FOLDER } from '../../../helper/observe/zswap.ts'
import type { Finding } from '../../contract/diagnosis.ts'
import type { KeptFindings } from '../history/look-store.ts'
import type { HistoryReader } from '../history/types.ts'
import type { Looks } from './rule.ts'
import { lastOf } from './series.ts'

/**
 * What was found a moment ago and is not right now. Much of what is felt comes
 * and goes, as a burst every few seconds does: whoever was shown it may still
 * try what helps against it, as long as the machine is set as it was then.
 */

/** How long what was found may be tried, though it is not found any more. */
export const SEEN_FOR_MS = 5 * 60_000
/** No machine finds and loses something more often in that time; each is one row to unpack. */
const MOST_ROWS = 64

export interface Seen {
  readonly finding: Finding
  /** The last time that it was there for sure. */
  readonly atMs: number
}

/** One setting that is not what it was. */
export interface Moved { readonly what: string; readonly was: string; readonly is: string }

type Moment = Pick<Evidence, 'takenAtMs' | 'uptimeS'>

export interface Recall {
  /** Takes down what a look found. */
  note(findings: readonly Finding[], atMs: number): void
  /** The finding as it last was, by whichever program of this user; null where that is too long ago, or in another boot. */
  seen(rule: string, subject: string, now: Moment): Seen | null
  /** All that this rule found in that time, of each subject the last; the newest first. */
  seenOf(rule: string, now: Moment): readonly Seen[]
}

const same = (rule: string, subject: string) => (finding: Finding): boolean => finding.rule === rule && finding.subject === subject

export const createRecall = (reader: Pick<HistoryReader, 'findingsBetween'>): Recall => {
  let noted: readonly Seen[] = []

  /** What was kept, the newest first. */
  const rows = function* (fromMs: number, toMs: number): Generator<KeptFindings> {
    let untilMs = toMs
    for (let row = 0; row < MOST_ROWS; row += 1) {
      const kept = reader.findingsBetween(fromMs, untilMs)
      if (kept === null) return
      yield kept
      untilMs = kept.atMs - 1
    }
  }

  const ofHistory = (rule: string, subject: string, fromMs: number, toMs: number): Seen | null => {
    for (const { atMs, findings } of rows(fromMs, toMs)) {
      const finding = findings.find(same(rule, subject))
      if (finding !== undefined) return { finding, atMs }
    }
    return null
  }

  // A clock that was set says nothing about how long ago something was: then it is too long ago.
  const since = ({ takenAtMs, uptimeS }: Moment): number => Math.max(takenAtMs - SEEN_FOR_MS, takenAtMs - uptimeS * 1000)

  return {
    note(findings, atMs) {
      const now = new Set(findings.map(({ rule, subject }) => `${rule} ${subject}`))
      const older = noted.filter(({ finding, atMs: then }) => Math.abs(atMs - then) < SEEN_FOR_MS && !now.has(`${finding.rule} ${finding.subject}`))
      noted = [...older, ...findings.map((finding) => ({ finding, atMs }))]
    },
    seen(rule, subject, now) {
      const toMs = now.takenAtMs
      const fromMs = since(now)
      const here = noted.find(({ finding, atMs }) => atMs >= fromMs && atMs <= toMs && same(rule, subject)(finding)) ?? null
      const there = ofHistory(rule, subject, Math.ceil(here?.atMs ?? fromMs), Math.floor(toMs))
      return there ?? here
    },
    seenOf(rule, now) {
      const toMs = now.takenAtMs
      const fromMs = since(now)
      const here = noted.filter(({ finding, atMs }) => finding.rule === rule && atMs >= fromMs && atMs <= toMs)
      const there = [...rows(Math.ceil(fromMs), Math.floor(toMs))].flatMap(({ atMs, findings }) => findings.filter((finding) => finding.rule === rule).map((finding): Seen => ({ finding, atMs })))
      const newest = new Map<string, Seen>()
      for (const seen of [...here, ...there].toSorted((a, b) => b.atMs - a.atMs)) if (!newest.has(seen.finding.subject)) newest.set(seen.finding.subject, seen)
      return [...newest.values()]
    },
  }
}

const SETTINGS = [...TUNABLE_FILES, ...['enabled', 'compressor', 'max_pool_percent', 'shrinker_enabled'].map((name) => `${ZSWAP_FOLDER}/${name}`), '/sys/kernel/mm/ksm/run']

/** What solutions are made from: each setting that a run may change, and the swap there is. */
const groundOf = (look: Evidence): ReadonlyMap<string, string> =>
  new Map([
    ...SETTINGS.map((path): [string, string] => [path, (look.sysctl[path] ?? look.mm[path])?.value ?? 'nothing']),
    ['/proc/swaps', look.swapDevices.map(({ path, sizeBytes }) => `${path} (${sizeBytes} bytes)`).toSorted().join(', ') || 'nothing'],
  ])

/**
 * The first setting that differs between the look a finding was made from and
 * now; null where all are as they were. With no earlier look at hand nothing
 * can be said, which counts as changed.
 */
export const movedSince = (looks: Looks, atMs: number): Moved | null => {
  const now = lastOf(looks)
  const earlier = looks.slice(0, -1)
  const then = earlier.findLast(({ takenAtMs }) => takenAtMs <= atMs) ?? earlier.at(0)
  if (then === undefined) return { what: 'what was looked at then', was: 'not kept', is: 'looked at anew' }
  const was = groundOf(then)
  const is = groundOf(now)
  for (const [what, value] of was) if (is.get(what) !== value) return { what, was: value, is: is.get(what) ?? 'nothing' }
  return null
}
