import { fail, ok, type Result } from '../contract/errors.ts'
import { readMeminfo, machineMemory } from '../observe/meminfo.ts'
import { readSwaps } from '../observe/swaps.ts'
import { readZram } from '../observe/zram.ts'
import { sizeText } from '../plan/present.ts'

/** Left free after memory has come back: the larger of 256 MiB and 3 % of memory. */
export const reserveBytes = (totalBytes: number): number => Math.max(256 * 1024 ** 2, Math.round(totalBytes * 0.03))

/** Whether `neededBytes` more memory can be used now without touching the reserve. */
export const fitsInMemory = (root: string, neededBytes: number, what: string): Result<null> => {
  const fields = readMeminfo(root)
  if (fields.value === null) return fail('does-not-fit', `${what}: it is not known how much memory is free.`, { about: '/proc/meminfo' })
  if (neededBytes <= 0) return ok(null)
  const memory = machineMemory(fields.value)
  const room = memory.availableBytes - reserveBytes(memory.totalBytes)
  if (neededBytes <= room) return ok(null)
  return fail('does-not-fit', `${what} needs ${sizeText(neededBytes)} of memory, and ${sizeText(Math.max(0, room))} can be used.`, {
    expected: `${neededBytes} bytes available beyond the reserve`,
    got: `${room} bytes`,
    advice: 'Close something large or wait: it is tried again by itself.',
  })
}

/**
 * Whether what a swap device holds fits back into memory. zram gives its pool
 * back while pages leave it, so only the difference is needed.
 */
export const swapFits = (root: string, path: string): Result<null> => {
  const swap = readSwaps(root).find((device) => device.path === path)
  if (swap === undefined) return ok(null)
  const zram = readZram(root).find((device) => `/dev/${device.name}` === path)
  return fitsInMemory(root, swap.usedBytes - (zram?.poolBytes ?? 0), `Emptying ${path}`)
}

/** Whether taking merged pages apart fits: each page that shares another becomes one of its own. */
export const unmergeFits = (root: string, pagesSharing: number): Result<null> => fitsInMemory(root, pagesSharing * 4096, 'Taking merged pages apart')
