import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { readMeminfo } from '../../observe/meminfo.ts'
import { readSwaps } from '../../observe/swaps.ts'
import { readZswap } from '../../observe/zswap.ts'
import { sizeText } from '../../plan/present.ts'

/** Less room than this is as good as none. */
const LEAST_FREE_BYTES = 32 * 1024 * 1024

const ADVICE = 'Turn on compressed swap first: apply a preset with it in the window, or "agentmemctl apply".'

/** Swap that may take agents' memory: zram, or any behind zswap. Plain disk frees next to nothing and keeps secrets. */
export const swapRoom = (root: string): Result<{ freeBytes: number }> => {
  const swaps = readSwaps(root)
  if (swaps.length === 0) return fail('not-supported', 'There is no swap, so a suspended agent would keep all of its memory.', { expected: 'compressed swap', got: 'no swap device', advice: ADVICE })
  const meminfo = readMeminfo(root)
  const zswap = meminfo.value === null ? null : readZswap(root, meminfo.value).value
  const usable = swaps.filter((swap) => swap.kind === 'zram' || zswap?.enabled === true)
  if (usable.length === 0) return fail('not-supported', 'There is only swap on disk: paging out to it frees next to nothing and leaves secrets on it.', { expected: 'zram, or zswap in front of the disk', got: swaps.map((swap) => swap.path).join(', '), advice: ADVICE })
  const freeBytes = usable.reduce((sum, swap) => sum + swap.sizeBytes - swap.usedBytes, 0)
  if (freeBytes < LEAST_FREE_BYTES) return fail('not-supported', `Compressed swap is full: ${sizeText(freeBytes)} are left.`, { expected: `at least ${sizeText(LEAST_FREE_BYTES)} free`, got: sizeText(freeBytes), advice: 'Resume or close an agent, or apply a preset with more compressed swap.' })
  return ok({ freeBytes })
}
