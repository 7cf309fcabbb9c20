import type { z } from 'zod'
import type { numaNodeSchema } from '../../contract/evidence.ts'
import { integer, readText, under } from '../files.ts'
import { parseCounters } from '../vmstat.ts'

const FOLDER = '/sys/devices/system/node'

/** `0-2,5` as the kernel writes sets of nodes and cpus. */
export const parseList = (text: string): number[] =>
  text.trim().split(',').flatMap((part): number[] => {
    const [from, to] = part.split('-').map((word) => integer(word))
    if (from == null || (to === null && part.includes('-'))) return []
    return Array.from({ length: Math.min(4096, (to ?? from) - from + 1) }, (_, i) => from + i)
  })

/** How many cpus are on; 1 where it cannot be told. */
export const readCpus = (root: string): number =>
  Math.max(1, parseList(readText(under(root, '/sys/devices/system/cpu/online')).value ?? '').length)

/** NUMA nodes that are on; none where the kernel was built without NUMA. */
export const readNuma = (root: string): z.infer<typeof numaNodeSchema>[] => {
  const withCpus = new Set(parseList(readText(under(root, `${FOLDER}/has_cpu`)).value ?? ''))
  return parseList(readText(under(root, `${FOLDER}/online`)).value ?? '').flatMap((node) => {
    const text = readText(under(root, `${FOLDER}/node${node}/meminfo`)).value
    if (text === null) return []
    const bytes = (name: string): number => (integer(new RegExp(`^Node \\d+ ${name}: +(\\d+) kB$`, 'mu').exec(text)?.[1]) ?? 0) * 1024
    const counters = Object.fromEntries(parseCounters(readText(under(root, `${FOLDER}/node${node}/numastat`)).value ?? ''))
    return [{ node, hasCpus: withCpus.has(node), totalBytes: bytes('MemTotal'), freeBytes: bytes('MemFree'), counters }]
  })
}
