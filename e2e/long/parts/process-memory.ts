import { readdirSync, readFileSync, statSync } from 'node:fs'

/** What one process held of its own (RssAnon + VmSwap) at one moment. */
export interface HeldLine {
  readonly pid: number
  readonly startTicks: number
  readonly name: string
  readonly bytes: number
}

const LEAST_BYTES = 16 * 1024 * 1024

/** All processes of a user that hold 16 MB or more. */
export const heldBy = (uid: number): HeldLine[] =>
  readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/u.test(entry)) return []
    try {
      if (statSync(`/proc/${entry}`).uid !== uid) return []
      const status = readFileSync(`/proc/${entry}/status`, 'latin1')
      const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'mu').exec(status)?.[1] ?? 0)
      const bytes = (kib('RssAnon') + kib('VmSwap')) * 1024
      if (bytes < LEAST_BYTES) return []
      const fields = readFileSync(`/proc/${entry}/stat`, 'latin1').replace(/^.*\) /su, '').split(' ')
      return [{ pid: Number(entry), startTicks: Number(fields[19]), name: /^Name:\s+(.*)$/mu.exec(status)?.[1] ?? '', bytes }]
    } catch {
      return [] // ended meanwhile
    }
  })
