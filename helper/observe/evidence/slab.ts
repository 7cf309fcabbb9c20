import type { z } from 'zod'
import type { slabCacheSchema } from '../../contract/evidence.ts'
import type { Reading } from '../../contract/reading.ts'
import { integer, mapReading, readText, under } from '../files.ts'

type SlabCache = z.infer<typeof slabCacheSchema>

const MOST = 40

/** /proc/slabinfo 2.1, the caches that take most; null for another format. */
export const parseSlabinfo = (text: string, pageBytes: number): SlabCache[] | null => {
  if (!text.startsWith('slabinfo - version: 2.')) return null
  return text.split('\n').flatMap((line): SlabCache[] => {
    const match = /^(\S+) +(\d+) +(\d+) +\d+ +\d+ +(\d+) : tunables .* : slabdata +\d+ +(\d+)/u.exec(line)
    const [active, objects, pages, slabs] = [2, 3, 4, 5].map((i) => integer(match?.[i]))
    if (match === null || active == null || objects == null || pages == null || slabs == null) return []
    return [{ name: match[1] ?? '', bytes: slabs * pages * pageBytes, activeObjects: active, objects }]
  }).toSorted((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1)).slice(0, MOST)
}

/** Caches of the kernel's own objects; root only. */
export const readSlab = (root: string, pageBytes: number): Reading<SlabCache[]> =>
  mapReading(readText(under(root, '/proc/slabinfo')), (text) => parseSlabinfo(text, pageBytes), '/proc/slabinfo')
