import { z } from 'zod'
import type { ProcessRef } from '../../contract/agents.ts'
import type { WorkingSet } from './types.ts'
import { runReclaim } from './program.ts'

/**
 * More than this the guard is not asked to bring back. From zram a page costs
 * the same whoever brings it: brought back before thawing, key to echo of Gemini
 * CLI was 34 ms with none, 39 with 8 MiB and 63 with 50 MiB, of Claude Code 53,
 * 57 to 79 and 95. Beside the running agent it costs no waiting, but a core.
 */
export const MOST_PREFAULT_BYTES = 4 * 1024 * 1024

const address = z.string().regex(/^[0-9a-f]{1,12}$/u)
const listSchema = z.object({
  pid: z.int(),
  anonBytes: z.int().min(0),
  ranges: z.array(z.tuple([address, address])).max(512),
  error: z.string().nullable(),
})

const sizeOf = ([start, end]: readonly [string, string]): number => Number.parseInt(end, 16) - Number.parseInt(start, 16)

export const workingSetBytes = (sets: readonly WorkingSet[]): number => sets.reduce((sum, { ranges }) => sum + ranges.reduce((total, range) => total + sizeOf(range), 0), 0)

/**
 * The ranges in which processes have anonymous pages in memory now. Taken some
 * time after everything was paged out, that is what they have touched since.
 */
export const presentRanges = async (program: string, uid: number, processes: readonly ProcessRef[]): Promise<WorkingSet[]> => {
  const lines = await runReclaim({ program, args: ['--advice', 'list'], uid, processes })
  if (!lines.ok) return []
  return lines.value.flatMap((line): WorkingSet[] => {
    const parsed = listSchema.safeParse(line)
    return parsed.success && parsed.data.error === null ? [{ pid: parsed.data.pid, ranges: parsed.data.ranges }] : []
  })
}

/**
 * The same within bounds: 512 ranges over all processes and `mostBytes`. Small
 * ranges stay, since each is one fault saved for little; the largest go first.
 */
export const bounded = (sets: readonly WorkingSet[], mostBytes = MOST_PREFAULT_BYTES, mostRanges = 512): WorkingSet[] => {
  const all = sets.flatMap(({ pid, ranges }) => ranges.map((range) => ({ pid, range, bytes: sizeOf(range) }))).toSorted((a, b) => a.bytes - b.bytes)
  const kept: typeof all = []
  let bytes = 0
  for (const one of all) {
    if (bytes + one.bytes > mostBytes) break
    kept.push(one)
    bytes += one.bytes
  }
  // Of too many the larger ones: a fault saved each, and more pages with it.
  const chosen = new Set(kept.slice(-mostRanges))
  return sets.flatMap(({ pid, ranges }) => {
    const own = ranges.filter((range) => [...chosen].some((one) => one.pid === pid && one.range === range))
    return own.length === 0 ? [] : [{ pid, ranges: own }]
  })
}
