import type { MachineMemory } from '../contract/snapshot.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { integer, mapReading, readText, under } from './files.ts'

/** Every `Name: N kB` line of /proc/meminfo, in bytes; lines without a unit (huge page counts) are left out. */
export const parseMeminfo = (text: string): Map<string, number> => {
  const fields = new Map<string, number>()
  for (const line of text.split('\n')) {
    const match = /^([^:\s]+):\s+(\d+) kB$/u.exec(line)
    const kib = integer(match?.[2])
    if (match?.[1] !== undefined && kib !== null) fields.set(match[1], kib * 1024)
  }
  return fields
}

export const readMeminfo = (root: string): Reading<Map<string, number>> =>
  mapReading(readText(under(root, '/proc/meminfo')), (text) => {
    const fields = parseMeminfo(text)
    return fields.has('MemTotal') ? fields : null
  }, '/proc/meminfo')

/**
 * The machine's memory. MemAvailable is 3.14+; where it is missing the
 * kernel's own older advice is used: free + buffers + cached - shmem.
 */
export const machineMemory = (fields: ReadonlyMap<string, number>): MachineMemory => {
  const at = (name: string): number => fields.get(name) ?? 0
  return {
    totalBytes: at('MemTotal'),
    freeBytes: at('MemFree'),
    availableBytes: fields.get('MemAvailable') ?? Math.max(0, at('MemFree') + at('Buffers') + at('Cached') - at('Shmem')),
    buffersBytes: at('Buffers'),
    cachedBytes: at('Cached'),
    swapCachedBytes: at('SwapCached'),
    anonBytes: at('AnonPages'),
    shmemBytes: at('Shmem'),
    dirtyBytes: at('Dirty'),
    slabReclaimableBytes: at('SReclaimable'),
    slabUnreclaimableBytes: at('SUnreclaim'),
    swapTotalBytes: at('SwapTotal'),
    swapFreeBytes: at('SwapFree'),
  }
}

/** A field that only newer kernels have. */
export const meminfoField = (fields: ReadonlyMap<string, number>, name: string, since: string): Reading => {
  const value = fields.get(name)
  return value === undefined ? missing('not-supported', `/proc/meminfo has no ${name}: needs Linux ${since}`) : known(value)
}
