import type { Evidence, ProcessEvidence } from '../../../../helper/contract/evidence.ts'
import { amount } from '../../amounts.ts'
import { durationText } from '../../report/format.ts'
import { above, figure, historyOf } from '../figures.ts'
import { needsSpan } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { firstOf, lastOf, spanMs } from '../series.ts'
import { define } from './define.ts'
import { MB, percentOf, processSubject, processWords, sameProcess } from './kit.ts'
import { advice, limitAgents, suspendIdle } from './offers.ts'

/** Growth that is plain from a few looks; slow leaks are told from the history. */

const own = (process: ProcessEvidence): number | null => (process.anonBytes.value === null ? null : process.anonBytes.value + (process.swapBytes.value ?? 0))

const inLook = (look: Evidence, process: ProcessEvidence): number | null => {
  const there = sameProcess(look, process)
  return there === undefined ? null : own(there)
}

/** Fewer looks, or over less time, cannot tell a leak from a start: it is the least age of what is told of, too. */
const LOOKS = 4
const SPAN_MS = 65_000
/** Looks nearer to each other than this are one: over a few seconds the pace of anything is chance. */
const APART_MS = 10_000
/** Slower than this part of its pace between two looks is a pause. */
const STEADY_SHARE = 0.5
/** Faster than this part of its pace is a burst: something is loaded, or worked on. */
const BURST_SHARE = 1.5

/** The last one and those before it that are far enough from each other; oldest first. */
const apart = (looks: Looks): Looks => {
  let [next, ...kept]: [Evidence, ...Evidence[]] = [lastOf(looks)]
  for (const look of looks.toReversed()) {
    if (next.takenAtMs - look.takenAtMs < APART_MS) continue
    kept = [next, ...kept]
    next = look
  }
  return [next, ...kept]
}

const grows = define({
  id: 'leaks.process-grows',
  topic: 'leaks',
  title: 'A program grows without a pause',
  needs: [needsSpan(SPAN_MS), (looks) => (looks.length >= LOOKS ? null : 'four looks')],
  thresholds: { bytes: 96 * MB, percent: 25, bytesPerMinute: 8 * MB },
  because: 'A program that fills a cache or collects garbage has steps down or levels off. One that grew by a quarter, between any two looks at about the same pace, and as much in the second half as in the first, does neither; agents at work, which grow in bursts, were recorded to hold this (testing/recordings); slower leaks are told from the history by a robust slope.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return look.processes.flatMap((process) => {
      // Most did not grow at all: those are told from two looks.
      if ((inLook(look, process) ?? 0) - (inLook(firstOf(looks), process) ?? 0) <= limit.bytes) return []
      // One that began meanwhile is judged from the look in which it was first seen, and not before the whole span.
      const [begin = look, ...rest] = looks.slice(looks.findIndex((each) => sameProcess(each, process) !== undefined))
      const seen = apart([begin, ...rest])
      const values = seen.map((each) => inLook(each, process))
      if (seen.length < LOOKS || spanMs(seen) < SPAN_MS || values.some((value) => value === null)) return []
      const curve = values.map((value) => value ?? 0)
      const first = curve[0] ?? 0
      const last = curve.at(-1) ?? 0
      const middle = curve[Math.floor((curve.length - 1) / 2)] ?? first
      const grown = last - first
      const perMinute = (grown * 60_000) / spanMs(seen)
      // Between any two looks about as fast as in all: what starts or works grows in bursts, what leaks does not.
      const always = curve.every((value, i) => {
        const pace = i === 0 ? perMinute : ((value - (curve[i - 1] ?? 0)) * 60_000) / spanMs([seen[i - 1] ?? begin, seen[i] ?? look])
        return pace > STEADY_SHARE * perMinute && pace < BURST_SHARE * perMinute
      })
      const share = percentOf(grown, first)
      if (!always || grown <= limit.bytes || share <= limit.percent || perMinute <= limit.bytesPerMinute || last - middle < (middle - first) * 0.75) return []
      return [{
        subject: processSubject(process),
        severity: 'warning' as const,
        title: `${process.title || process.name} grows without a pause`,
        explanation: `${processWords(process)} held ${amount(first)} ${durationText(spanMs(seen))} ago and holds ${amount(last)} now: ${amount(perMinute)} more every minute, larger at each of ${curve.length} looks. It may be loading something large; if it goes on, it is a leak: memory that the program keeps and never uses again.`,
        figures: [
          figure({ what: 'Grown', value: grown, unit: 'bytes', source: `/proc/${process.ref.pid}/status RssAnon + VmSwap`, threshold: above(limit.bytes), history: historyOf(looks, (each) => inLook(each, process)) }),
          figure({ what: 'A minute', value: perMinute, unit: 'bytes', source: `/proc/${process.ref.pid}/status`, threshold: above(limit.bytesPerMinute) }),
          figure({ what: 'Of what it was', value: share, unit: 'percent', source: `/proc/${process.ref.pid}/status`, threshold: above(limit.percent) }),
        ],
        solutions: [
          advice({ id: 'restart-it', title: 'Restart it before it gets tight', what: `Gives back all it grew by. At this pace it takes ${durationText(((look.meminfo['MemAvailable'] ?? 0) / Math.max(1, perMinute)) * 60_000)} until all available memory is used.`, tradeOff: 'Its work is interrupted; save it first.', sideEffects: 'It will grow again.', scope: processWords(process) }, 'Start it again.'),
          limitAgents(),
          { ...suspendIdle(), id: 'suspend-it', title: 'Suspend its agent meanwhile', what: 'Stops it, so that it grows no further while you look for the reason.' },
        ],
      }]
    })
  },
  lookDeeper: ['bpftrace.growth', 'perf.page-faults'],
})

export const leaks: readonly Rule[] = [grows]
