import { integer, readText, under } from '../../observe/files.ts'
import { readCgroupMemory } from '../../observe/cgroup.ts'

/** Less than this much of what its processes hold is charged to it: it was moved in later. */
const WHOLE_PERCENT = 80

const KIB = 1024

/** Anonymous memory of a process, resident and swapped, in bytes; 0 for one that has gone. */
const anonOf = (root: string, pid: number): number => {
  const text = readText(under(root, `/proc/${pid}/status`), 'vanished').value ?? ''
  const field = (name: string): number => integer(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'mu').exec(text)?.[1]) ?? 0
  return (field('RssAnon') + field('VmSwap')) * KIB
}

/**
 * Whether a cgroup is charged with what its processes hold. Moving a process
 * leaves its memory with the old one, and without the memory controller
 * nothing is charged here at all.
 */
export const chargedShare = (root: string, folder: string, pids: readonly number[]): boolean => {
  const memory = readCgroupMemory(root, folder, 'v2').value
  if (memory === null) return false
  const charged = (memory.anonBytes.value ?? 0) + (memory.swapBytes.value ?? 0)
  const held = pids.reduce((sum, pid) => sum + anonOf(root, pid), 0)
  return charged * 100 >= held * WHOLE_PERCENT
}
