import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { ok } from '../../contract/result.ts'
import { readPressure } from '../../observe/pressure.ts'
import type { KernelFiles } from '../../change/write.ts'
import { reclaimGroup } from '../cgroups/reclaim.ts'
import { runReclaim } from './program.ts'

/** The machine stands still for so much of the time while it pages out: enough of it. */
const MOST_MEMORY_PERCENT = 20
const MOST_IO_PERCENT = 40

export interface PressureWatch {
  /** Why paging out was stopped; null while all is well. */
  stoppedBy(): string | null
  signal: AbortSignal
  end(): void
}

const fullUs = (root: string, resource: 'memory' | 'io'): number | null => readPressure(root, resource).value?.full.value?.totalUs ?? null

/**
 * Looks at how long the whole machine stood still for memory and disk, from
 * look to look: averages of ten seconds would say so too late. Two looks in a
 * row count, so that one burst of another program does not.
 */
export const watchPressure = (root: string, lookMs: number, outer?: AbortSignal): PressureWatch => {
  const controller = new AbortController()
  let why: string | null = null
  let above = 0
  let last = { atMs: performance.now(), memory: fullUs(root, 'memory'), io: fullUs(root, 'io') }
  const percent = (now: number | null, before: number | null, elapsedMs: number): number => (now === null || before === null || elapsedMs <= 0 ? 0 : (now - before) / 10 / elapsedMs)
  const look = (): void => {
    const now = { atMs: performance.now(), memory: fullUs(root, 'memory'), io: fullUs(root, 'io') }
    const elapsedMs = now.atMs - last.atMs
    const memory = percent(now.memory, last.memory, elapsedMs)
    const io = percent(now.io, last.io, elapsedMs)
    last = now
    above = memory > MOST_MEMORY_PERCENT || io > MOST_IO_PERCENT ? above + 1 : 0
    if (above < 2) return
    why = memory > MOST_MEMORY_PERCENT
      ? `pressure: the machine stood still for memory ${Math.round(memory)} % of the time`
      : `pressure: the machine stood still for disks ${Math.round(io)} % of the time`
    controller.abort()
  }
  const timer = setInterval(look, lookMs)
  return {
    stoppedBy: () => why,
    signal: outer === undefined ? controller.signal : AbortSignal.any([controller.signal, outer]),
    end: () => clearInterval(timer),
  }
}

export interface PageOutOptions {
  root: string
  kernel: KernelFiles
  uid: number
  processes: readonly ProcessRef[]
  /** null: only the cgroup's own way. */
  program: string | null
  /** The agent's cgroup, where all of its memory is charged to it; else null. */
  charged: string | null
  /** At most so much, the coldest first; null: all. */
  mostBytes: number | null
  lookMs: number
  signal?: AbortSignal
}

/**
 * Pages out a tree, process by process, and stops when the machine suffers.
 * What was won is not said here: the footprint before and after tells.
 */
export const pageOut = async (options: PageOutOptions): Promise<Result<{ stoppedBy: string | null }>> => {
  const { root, kernel, uid, processes, program, charged, mostBytes, lookMs, signal } = options
  const watch = watchPressure(root, lookMs, signal)
  try {
    if (charged !== null) {
      const done = await reclaimGroup({ root, kernel, folder: charged, target: mostBytes === null ? { percent: 100 } : { bytes: mostBytes }, swappiness: 'max', signal: watch.signal })
      // That nothing more would go is what is asked for where all is to go.
      if (done.ok) return ok({ stoppedBy: watch.stoppedBy() ?? (done.value.stoppedBy?.startsWith('pressure') === true ? done.value.stoppedBy : null) })
      if (done.error.code !== 'not-supported') return done
    }
    if (program === null) return ok({ stoppedBy: 'its memory is not charged to its own cgroup, and only root may page it out otherwise' })
    // All of them in one call where there is a bound: it counts over all.
    const calls = mostBytes === null ? processes.map((one) => [one]) : [processes]
    for (const some of calls) {
      if (watch.signal.aborted) break
      const args = ['--advice', 'pageout', '--pages', 'anonymous', ...(mostBytes === null ? [] : ['--most-bytes', String(mostBytes)])]
      const done = await runReclaim({ program, args, uid, processes: some, signal: watch.signal })
      if (!done.ok && done.error.code !== 'cancelled') return done
    }
    return ok({ stoppedBy: watch.stoppedBy() })
  } finally {
    watch.end()
  }
}
