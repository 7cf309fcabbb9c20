import type { SwapDevice } from '../contract/snapshot.ts'
import { integer, readText, under, unescapeOctal } from './files.ts'

/** Where swap files of ours live; root only. */
export const SWAP_FOLDER = '/var/lib/agentmem/swap'

/** The kernel marks an unlinked swap file like this behind its name. */
const DELETED = /\\040\(deleted\)$/u

/**
 * The kernel names swap from the root of the mount it was switched on through.
 * A service has mounts of its own (ProtectSystem=), and once it has ended they
 * hang nowhere: "/zram0" for /dev/zram0, "/swap/agentmem-1.swap" for our file.
 */
const OWN_FILE = /^(?:(?:(?:(?:\/var)?\/lib)?\/agentmem)?\/swap)?(?<name>\/agentmem-\d{1,3}\.swap)$/u
const placeOf = (path: string, type: string | undefined): string => {
  // A block device of that name is that device, whatever /dev it was reached by (a chroot's).
  const zram = type === 'partition' ? /\/zram\d{1,3}$/u.exec(path)?.[0] : undefined
  if (zram !== undefined) return `/dev${zram}`
  const name = type === 'file' ? OWN_FILE.exec(path)?.groups?.['name'] : undefined
  return name === undefined ? path : `${SWAP_FOLDER}${name}`
}

/** /proc/swaps; lines that are not as expected are skipped. Sizes are KiB there. */
export const parseSwaps = (text: string): SwapDevice[] =>
  text.split('\n').slice(1).flatMap((line): SwapDevice[] => {
    const [name, type, size, used, priority] = line.trim().split(/\s+/u)
    const sizeKib = integer(size)
    const usedKib = integer(used)
    const rank = integer(priority)
    if (name === undefined || sizeKib === null || usedKib === null || rank === null || sizeKib < 0 || usedKib < 0) return []
    const path = placeOf(unescapeOctal(name.replace(DELETED, '')), type)
    const kind = /^\/dev\/zram\d+$/u.test(path) ? 'zram' : type === 'file' ? 'file' : 'partition'
    return [{ path, kind, sizeBytes: sizeKib * 1024, usedBytes: usedKib * 1024, priority: rank }]
  })

/** Swap in use now; a kernel without swap has no such file and no swap. */
export const readSwaps = (root: string): SwapDevice[] => {
  const text = readText(under(root, '/proc/swaps'))
  return text.value === null ? [] : parseSwaps(text.value)
}
