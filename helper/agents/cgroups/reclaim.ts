import { setTimeout as sleep } from 'node:timers/promises'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { integer, readInteger, readText, under } from '../../observe/files.ts'
import { readPressure } from '../../observe/pressure.ts'
import type { KernelFiles } from '../../change/write.ts'

export interface GroupReclaimOptions {
  readonly root: string
  readonly kernel: KernelFiles
  /** The cgroup, as a folder of the file system. */
  readonly folder: string
  /** How much is to go: bytes, or percent of what is charged now. */
  readonly target: { readonly bytes: number } | { readonly percent: number }
  /** `max`: anonymous memory alone where the kernel can (6.10); pages of files go without swap anyway. */
  readonly swappiness?: 'max' | number | null
  /** Stop when the machine stood still for memory this share of the time since the last look. */
  readonly mostStalledPercent?: number
  readonly signal?: AbortSignal
  readonly chunkBytes?: number
}

export interface GroupReclaimed {
  readonly askedBytes: number
  /** By how much memory.current went down; less than asked for is no failure. */
  readonly achievedBytes: number
  /** By how much memory.swap.current went up. */
  readonly swappedBytes: number
  readonly tookMs: number
  /** null: it got all that was asked for. */
  readonly stoppedBy: string | null
}

const CHUNK_BYTES = 16 * 1024 * 1024
/** Chunks that won next to nothing before the rest is taken for what it needs. */
const MOST_IDLE_CHUNKS = 3
const MOST_STALLED_PERCENT = 20
const BREATH_MS = 5

const fullUs = (root: string): number | null => readPressure(root, 'memory').value?.full.value?.totalUs ?? null

/**
 * Pages out of one cgroup by memory.reclaim, in pieces, looking at the
 * machine's pressure after each: one write for all of it could not be stopped.
 */
export const reclaimGroup = async (options: GroupReclaimOptions): Promise<Result<GroupReclaimed>> => {
  const { root, kernel, folder, target, mostStalledPercent = MOST_STALLED_PERCENT, signal, chunkBytes = CHUNK_BYTES } = options
  const current = (): number | null => integer(readText(under(root, `${folder}/memory.current`), 'vanished').value?.trim())
  const swapped = (): number => readInteger(under(root, `${folder}/memory.swap.current`)).value ?? 0
  const before = current()
  if (before === null) return fail('process-gone', 'The agent\'s control group is gone, or its memory is not accounted there.', { about: folder })
  const swapBefore = swapped()
  const asked = Math.min(before, 'bytes' in target ? target.bytes : Math.floor((before * target.percent) / 100))
  const startedMs = performance.now()
  let swappiness = options.swappiness ?? null
  let idle = 0
  let stoppedBy: string | null = null
  let last = { atMs: performance.now(), us: fullUs(root) }
  for (let now = before; stoppedBy === null && before - now < asked; ) {
    if (signal?.aborted === true) {
      stoppedBy = 'it was stopped'
      break
    }
    const amount = Math.min(chunkBytes, asked - (before - now))
    const written = await kernel.write(`${folder}/memory.reclaim`, `${amount}${swappiness === null ? '' : ` swappiness=${swappiness}`}`)
    if (!written.ok && written.error.got === 'EINVAL' && swappiness !== null) {
      // Kernels before 6.10 know no second word.
      swappiness = null
      continue
    }
    // EAGAIN: less than asked for could be taken.
    if (!written.ok && written.error.got !== 'EAGAIN') return written
    const after = current()
    if (after === null) return fail('process-gone', 'The agent ended while it was paged out.', { about: folder })
    idle = now - after < amount / 8 ? idle + 1 : 0
    now = after
    if (idle >= MOST_IDLE_CHUNKS) stoppedBy = 'nothing more would go: the rest is in use, or there is no swap for it'
    const looked = { atMs: performance.now(), us: fullUs(root) }
    const stalled = looked.us === null || last.us === null || looked.atMs <= last.atMs ? 0 : (looked.us - last.us) / 10 / (looked.atMs - last.atMs)
    last = looked
    if (stalled > mostStalledPercent) stoppedBy ??= `pressure: the machine stood still for memory ${Math.round(stalled)} % of the time`
    await sleep(BREATH_MS)
  }
  return ok({ askedBytes: asked, achievedBytes: before - (current() ?? before), swappedBytes: swapped() - swapBefore, tookMs: performance.now() - startedMs, stoppedBy })
}
