import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { integer, readTextAside, under } from '../files.ts'

/** What only a walk over a process's page tables tells: milliseconds for each GB of it. Bytes. */
export interface Rollup {
  readonly pssBytes: Reading
  /** Huge pages of its private memory (AnonHugePages). */
  readonly anonHugeBytes: Reading
  /** Huge pages of programs, files and shared memory (FilePmdMapped, ShmemPmdMapped). */
  readonly fileHugeBytes: Reading
  /** Written by it, and in nobody else's page tables (Private_Dirty). */
  readonly privateDirtyBytes: Reading
  /** Written, and mapped by somebody else too (Shared_Dirty): since a fork, merged, or shared memory. */
  readonly sharedDirtyBytes: Reading
  /**
   * Private memory that a page held in common saves it: Anonymous less Pss_Anon.
   * Pages that a fork left in common (copy-on-write) and those that KSM merged.
   */
  readonly copyOnWriteBytes: Reading
  /** Of each NUMA node, by its number. */
  readonly numaBytes: Reading<number[]>
}

const ONE_NODE = missing('not-supported', 'one node')

const line = (text: string, name: string): Reading => {
  const kib = integer(new RegExp(`^${name}: +(\\d+) kB$`, 'mu').exec(text)?.[1])
  return kib === null ? missing('not-supported', `smaps_rollup has no ${name}`) : known(kib * 1024)
}

const both = (a: Reading, b: Reading, join: (a: number, b: number) => number): Reading => (a.value === null ? a : b.value === null ? b : known(join(a.value, b.value)))

/** smaps_rollup as text; a line that this kernel does not write is missing. */
export const parseRollup = (text: string): Omit<Rollup, 'numaBytes'> => ({
  pssBytes: line(text, 'Pss'),
  anonHugeBytes: line(text, 'AnonHugePages'),
  fileHugeBytes: both(line(text, 'FilePmdMapped'), line(text, 'ShmemPmdMapped'), (files, shared) => files + shared),
  privateDirtyBytes: line(text, 'Private_Dirty'),
  sharedDirtyBytes: line(text, 'Shared_Dirty'),
  // Pss is rounded down for each size it sums: a common part of nothing must not turn negative.
  copyOnWriteBytes: both(line(text, 'Anonymous'), line(text, 'Pss_Anon'), (whole, own) => Math.max(0, whole - own)),
})

/** numa_maps: `... N0=12 N1=3 kernelpagesize_kB=4` a mapping. */
export const parseNumaMaps = (text: string, nodes: number): number[] => {
  const bytes = Array.from({ length: nodes }, () => 0)
  for (const mapping of text.split('\n')) {
    const pageBytes = (integer(/ kernelpagesize_kB=(\d+)/u.exec(mapping)?.[1]) ?? 0) * 1024
    for (const match of mapping.matchAll(/ N(\d+)=(\d+)/gu)) {
      const node = Number(match[1])
      bytes[node] = (bytes[node] ?? 0) + Number(match[2]) * pageBytes
    }
  }
  return bytes
}

/** Of one process; `nodes` is 1 where the machine has no NUMA, and its placement is not read then. */
export const readRollup = async (root: string, pid: number, nodes: number): Promise<Rollup> => {
  const text = await readTextAside(under(root, `/proc/${pid}/smaps_rollup`), 'vanished')
  const maps = nodes > 1 ? await readTextAside(under(root, `/proc/${pid}/numa_maps`), 'vanished') : ONE_NODE
  const numaBytes = maps.value === null ? maps : known(parseNumaMaps(maps.value, nodes))
  if (text.value !== null) return { ...parseRollup(text.value), numaBytes }
  return { pssBytes: text, anonHugeBytes: text, fileHugeBytes: text, privateDirtyBytes: text, sharedDirtyBytes: text, copyOnWriteBytes: text, numaBytes }
}
