import { TICK_MS } from '../../observe/kernel.ts'
import { forbids, works, type Evidence } from './finding.ts'
import type { Sample } from './sample.ts'

/**
 * Share of one core, in percent, that a tree takes at its prompt: Claude Code
 * 0.3, Gemini CLI 0. Waiting for an answer: Claude Code and Gemini CLI 6. A
 * kind whose prompt takes more (opencode 2, and 22 while waiting) says so in
 * its signature.
 */
export const QUIET_PERCENT = 1.2
/** Garbage collection at the prompt was seen to take up to 420 ms at once, once a minute. */
const FORGIVEN_BURST_MS = 500
/** What is less than a burst shows over a minute; that it still goes on shows in the last looks. */
const WINDOW_MS = 60_000
const RECENT_MS = 15_000
/**
 * Over a minute, so many times what the prompt takes: for a minute after a
 * turn, an idle Claude Code was seen to collect its garbage with 2 % of a core
 * on a starved machine. At work it takes 3 and more.
 */
const LASTING_TIMES = 2
const STILL_TIMES = 1.5

/** On a starved machine work shows late: once it got its turn, it has so long to show. Waiting alone is no work. */
const AFTER_STUCK_MS = 15_000

/**
 * CPU time of the tree. Time of ended children moves to the parent that waits
 * for them, so the sum does not fall when a tool ends.
 */
const cpuMsOf = (sample: Sample): number =>
  sample.processes.reduce((sum, process) => sum + process.cpuTicks + process.endedChildrenTicks, 0) * TICK_MS

interface Spent { readonly atMs: number; readonly spentMs: number; readonly tookMs: number }

const during = (spent: readonly Spent[], sinceMs: number): { usedMs: number; overMs: number } => ({
  usedMs: spent.reduce((sum, part) => sum + (part.atMs > sinceMs ? part.spentMs : 0), 0),
  overMs: spent.reduce((sum, part) => sum + (part.atMs > sinceMs ? part.tookMs : 0), 0),
})

/** CPU time beyond what the prompt takes and one burst, in the last looks or going on for a minute. */
export const createCpuEvidence = (quietPercent: number): Evidence => {
  const quiet = (overMs: number): number => (overMs * quietPercent) / 100
  let last: { atMs: number; cpuMs: number } | null = null
  let spent: Spent[] = []
  let stuck = 0
  let stuckAtMs = Number.NEGATIVE_INFINITY
  return (sample) => {
    const atMs = sample.monotonicMs
    const cpuMs = cpuMsOf(sample)
    // A child that left the tree without being waited for takes its time with it.
    if (last !== null) spent.push({ atMs, spentMs: Math.max(0, cpuMs - last.cpuMs), tookMs: atMs - last.atMs })
    last = { atMs, cpuMs }
    spent = spent.filter((part) => part.atMs > atMs - WINDOW_MS)
    // In looks in a row: a single one is a timer, or a page read back from disk.
    stuck = sample.processes.some(({ kernelState }) => kernelState === 'D' || kernelState === 'R') ? stuck + 1 : 0
    if (stuck > 1) stuckAtMs = atMs
    const [minute, recent] = [during(spent, atMs - WINDOW_MS), during(spent, atMs - RECENT_MS)]
    const burst = recent.usedMs > quiet(recent.overMs) + FORGIVEN_BURST_MS
    const lasting = minute.usedMs > LASTING_TIMES * quiet(minute.overMs) + FORGIVEN_BURST_MS && recent.usedMs > STILL_TIMES * quiet(recent.overMs)
    const { usedMs, overMs } = burst ? recent : minute
    if (burst || lasting) return [works('cpu', `${(usedMs / 1000).toFixed(1)} s of CPU time in ${Math.round(overMs / 1000)} s`)]
    return atMs - stuckAtMs < AFTER_STUCK_MS ? [forbids('cpu', 'waits for a processor or a disk')] : []
  }
}
