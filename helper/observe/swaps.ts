import type { SwapDevice } from '../contract/snapshot.ts'
import { integer, readText, under, unescapeOctal } from './files.ts'

/** The kernel marks an unlinked swap file like this behind its name. */
const DELETED = /\\040\(deleted\)$/u

/** /proc/swaps; lines that are not as expected are skipped. Sizes are KiB there. */
export const parseSwaps = (text: string): SwapDevice[] =>
  text.split('\n').slice(1).flatMap((line): SwapDevice[] => {
    const [name, type, size, used, priority] = line.trim().split(/\s+/u)
    const sizeKib = integer(size)
    const usedKib = integer(used)
    const rank = integer(priority)
    if (name === undefined || sizeKib === null || usedKib === null || rank === null) return []
    const path = unescapeOctal(name.replace(DELETED, ''))
    const kind = /^\/dev\/zram\d+$/u.test(path) ? 'zram' : type === 'file' ? 'file' : 'partition'
    return [{ path, kind, sizeBytes: sizeKib * 1024, usedBytes: usedKib * 1024, priority: rank }]
  })

/** Swap in use now; a kernel without swap has no such file and no swap. */
export const readSwaps = (root: string): SwapDevice[] => {
  const text = readText(under(root, '/proc/swaps'))
  return text.value === null ? [] : parseSwaps(text.value)
}
