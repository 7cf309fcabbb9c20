import { integer, listNames, readText, under } from '../observe/files.ts'

/** Field 22 of /proc/PID/stat, in ticks since boot; null when the process is gone. */
export const processStartTicks = (root: string, pid: number): number | null => {
  const stat = readText(under(root, `/proc/${pid}/stat`), 'vanished').value
  if (stat === null) return null
  // The name may hold spaces and brackets: fields are counted after the last bracket.
  return integer(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

/** The real uid of a process; null when it is gone. */
export const processUid = (root: string, pid: number): number | null =>
  integer(/^Uid:\s+(\d+)/mu.exec(readText(under(root, `/proc/${pid}/status`), 'vanished').value ?? '')?.[1])

/**
 * True for one that has ended and only waits for its parent to look: it
 * changes nothing any more. Its first thread shows as ended while another is
 * still inside a system call, so all of them count.
 */
export const hasEnded = (root: string, pid: number): boolean => {
  const stat = readText(under(root, `/proc/${pid}/stat`), 'vanished').value
  if (stat === null) return true
  if (!/^[ZXx]/u.test(stat.slice(stat.lastIndexOf(')') + 2))) return false
  return (listNames(under(root, `/proc/${pid}/task`), 'vanished').value ?? []).length <= 1
}
