import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import { readInteger, under } from '../observe/files.ts'
import { readPageBytes } from '../observe/kernel.ts'
import { readMeminfo, machineMemory } from '../observe/meminfo.ts'
import { readSwaps } from '../observe/swaps.ts'
import { readZram } from '../observe/zram.ts'
import { KSM_FOLDER } from '../plan/paths.ts'
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
 * Whether what a swap device holds fits back into memory. zram gives a block of
 * its pool back only once every page in it has left, so that while it is
 * emptied much of the pool is still there: half of it is counted on, no more.
 * What a swap file holds is counted whole, though a part of it may be in
 * zswap's pool: which part is not told.
 */
export const swapFits = (root: string, path: string): Result<null> => {
  const swap = readSwaps(root).find((device) => device.path === path)
  if (swap === undefined) return ok(null)
  const zram = readZram(root).find((device) => `/dev/${device.name}` === path)
  return fitsInMemory(root, Math.max(swap.usedBytes / 2, swap.usedBytes - Math.floor((zram?.poolBytes ?? 0) / 2)), `Emptying ${path}`)
}

/**
 * Whether taking merged pages apart fits: each page that shares another, or
 * the one empty page (`use_zero_pages`, 6.6+ counts them), becomes one of its own.
 */
export const unmergeFits = (root: string, pagesSharing: number): Result<null> => {
  const zeroPages = readInteger(under(root, `${KSM_FOLDER}/ksm_zero_pages`)).value ?? 0
  return fitsInMemory(root, (pagesSharing + zeroPages) * readPageBytes(root), 'Taking merged pages apart')
}
