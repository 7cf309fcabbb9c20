import { readText, under } from '../../observe/files.ts'

export interface LockLine {
  readonly pid: number
  readonly file: string
  readonly exclusive: boolean
  readonly waitedFor: boolean
}

const LINE = /^(\d+): (-> )?(?:POSIX|FLOCK)\s+\S+\s+(READ|WRITE)\s+(\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /gmu

/** /proc/locks: a line a lock, and below it, with the same number and an arrow, those who sleep until it is let go. */
export const parseLocks = (text: string): LockLine[] => {
  const lines = [...text.matchAll(LINE)]
  const waitedFor = new Set(lines.filter((line) => line[2] !== undefined).map((line) => line[1]))
  return lines.filter((line) => line[2] === undefined).map((line) => ({
    pid: Number(line[4]), file: line[5] ?? '', exclusive: line[3] === 'WRITE', waitedFor: waitedFor.has(line[1]),
  }))
}

/** Locks of everybody; null where the kernel shows none. */
export const readLocks = (root: string): LockLine[] | null => {
  const text = readText(under(root, '/proc/locks'))
  return text.value === null ? null : parseLocks(text.value)
}
