import { integer, readText, under } from '../files.ts'
import { parseCounters } from '../vmstat.ts'

/** Every field of /proc/meminfo by its name: bytes where the kernel says kB, else the count. One too large to be exact is left out: VmallocTotal, with five levels of page tables. */
export const parseMeminfoFields = (text: string): Record<string, number> => {
  const fields: Record<string, number> = {}
  for (const line of text.split('\n')) {
    const match = /^([^:\s]+):\s+(\d+)( kB)?$/u.exec(line)
    const value = (integer(match?.[2]) ?? Number.NaN) * (match?.[3] === undefined ? 1 : 1024)
    if (match?.[1] !== undefined && Number.isSafeInteger(value)) fields[match[1]] = value
  }
  return fields
}

/** Only a root without a readable /proc/meminfo is an error: then it is no root of a machine. */
export const readMeminfoFields = (root: string): Record<string, number> => {
  const text = readText(under(root, '/proc/meminfo'))
  const fields = parseMeminfoFields(text.value ?? '')
  if (!('MemTotal' in fields)) throw new Error(`readEvidence: expected ${root} to hold proc/meminfo with MemTotal, got: ${text.value === null ? (text.detail ?? text.reason) : 'other text'}`)
  return fields
}

/** Every counter of /proc/vmstat by its name; none where it cannot be read. */
export const readVmstatFields = (root: string): Record<string, number> =>
  Object.fromEntries(parseCounters(readText(under(root, '/proc/vmstat')).value ?? ''))
